"""The HTTP/1.1 server side: bytes from clients become ASGI calls. Run by uvicorn, parsed by httptools.

uvicorn's own protocol would do for a web application. A gateway also needs what ASGI servers leave out: limits on the
head, a refusal that never lands in the middle of another answer, a way to cut an answer so that nobody mistakes it for
complete, upgrades handed through as bytes, trailers, 1xx, and a client's leaving noticed while its upload is held back.
"""
