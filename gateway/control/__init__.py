"""What operators see and do: /healthz, /readyz and /api on the portal's hostname and on the admin address."""
