# A NixOS module: services.whisper-gateway. README.md beside this file shows how to use it.
{
  config,
  lib,
  pkgs,
  ...
}:

let
  cfg = config.services.whisper-gateway;
  yaml = pkgs.formats.yaml { };

  stateDir = "/var/lib/whisper-gateway";

  # What the host knows and config.yaml would otherwise have to repeat. `settings` wins.
  given = {
    gateway = {
      state_dir = stateDir;
      listen = "${if lib.hasInfix ":" cfg.listen then "[${cfg.listen}]" else cfg.listen}:${toString cfg.port}";
    }
    // lib.optionalAttrs cfg.nginx.enable { trusted_proxies = [ "127.0.0.1/32" ]; };
  };
  settings = lib.recursiveUpdate given cfg.settings;
  configFile = yaml.generate "whisper-gateway.yaml" settings;
  # Always the same one, so that a running gateway finds in it what has changed.
  configPath = "/etc/whisper-gateway/config.yaml";
  # What a running gateway does not change, and refuses to reload: FIXED in gateway/reloading.py.
  fixed = builtins.toJSON [
    (map (name: settings.gateway.${name} or null) [
      "listen"
      "admin"
      "state_dir"
      "head_limit"
      "head_timeout"
    ])
    (settings.gateway.spool.dir or null)
    (settings.gateway.log.format or null)
    (settings.gateway.log.level or null)
  ];

  hasProcesses = lib.any (engine: engine ? process) (lib.attrValues (settings.engines or { }));
  hasContainers = lib.any (engine: engine ? docker) (lib.attrValues (settings.engines or { }));

  listen = settings.gateway.listen;
  hosts =
    lib.optional (settings.gateway ? portal) settings.gateway.portal
    ++ lib.concatMap (engine: engine.hosts) (lib.attrValues (settings.engines or { }));

  certificate = "whisper-gateway";
  certificates = "/var/lib/acme/${certificate}";

  # The same templates as everywhere else, with the same checks of what is filled in.
  nginxConfig =
    template:
    pkgs.runCommand "whisper-gateway-nginx-${template}.conf"
      {
        DOMAIN = lib.concatStringsSep " " cfg.nginx.domains;
        GATEWAY = listen;
        CERTIFICATE = if cfg.nginx.acme then "${certificates}/fullchain.pem" else toString cfg.nginx.certificate;
        CERTIFICATE_KEY = if cfg.nginx.acme then "${certificates}/key.pem" else toString cfg.nginx.certificateKey;
        PASSWORDS = toString cfg.nginx.passwordFile;
        UPLOAD_LIMIT = cfg.nginx.uploadLimit;
        LOGIN_RATE = cfg.nginx.loginRate;
        WEBROOT = "/var/lib/acme/acme-challenge";
      }
      ''
        sh ${../../nginx}/render ${template} > $out
      '';
in
{
  options.services.whisper-gateway = {
    enable = lib.mkEnableOption "whisper-gateway, one door for self-hosted speech-to-text";

    package = lib.mkOption {
      type = lib.types.package;
      default = pkgs.callPackage ./package.nix { };
      defaultText = lib.literalExpression "pkgs.callPackage ./package.nix { }";
      description = "The package to run.";
    };

    settings = lib.mkOption {
      type = lib.types.submodule { freeformType = yaml.type; };
      default = { };
      example = lib.literalExpression ''
        {
          gateway.portal = "portal.example.org";
          engines.whisper = {
            hosts = [ "whisper.example.org" ];
            docker.container = "faster-whisper";
            port = 8000;
          };
        }
      '';
      description = ''
        What becomes `config.yaml`; docs/configuration.md has every setting. It lies in the Nix store, where every user
        can read it: secrets belong into `environmentFile`, and are read with `''${NAME}`.
      '';
    };

    listen = lib.mkOption {
      type = lib.types.str;
      default = "127.0.0.1";
      example = "0.0.0.0";
      description = "The address that the gateway listens on. Anything but loopback needs keys or a trusted proxy.";
    };

    port = lib.mkOption {
      type = lib.types.port;
      default = 8890;
      description = "The port that it listens on.";
    };

    environment = lib.mkOption {
      type = lib.types.attrsOf lib.types.str;
      default = { };
      example = {
        DOCKER_HOST = "unix:///run/podman/podman.sock";
      };
      description = "Variables for the gateway, which every user can read.";
    };

    environmentFile = lib.mkOption {
      type = lib.types.nullOr lib.types.path;
      default = null;
      example = "/run/secrets/whisper-gateway.env";
      description = "Variables for the gateway, one NAME=value a line. Read by systemd, so root alone need see it.";
    };

    user = lib.mkOption {
      type = lib.types.str;
      default = "whisper-gateway";
      description = "The user that the gateway runs as. It is made unless it is another than the default.";
    };

    group = lib.mkOption {
      type = lib.types.str;
      default = "whisper-gateway";
      description = "The group that the gateway runs as, likewise.";
    };

    openFirewall = lib.mkOption {
      type = lib.types.bool;
      default = false;
      description = "Open ports 80 and 443 if nginx is enabled, else the gateway's port.";
    };

    nginx = {
      enable = lib.mkEnableOption "nginx with TLS and passwords in front of the gateway";

      domains = lib.mkOption {
        type = lib.types.listOf lib.types.str;
        default = [ ];
        example = [ "example.org" ];
        description = "Domains whose hostnames go to the gateway, which knows which of them are engines.";
      };

      passwordFile = lib.mkOption {
        type = lib.types.path;
        default = "${stateDir}-nginx/htpasswd";
        description = "The people who may log in, as nginx/add-user writes it. Readable by nginx, not in the store.";
      };

      acme = lib.mkOption {
        type = lib.types.bool;
        default = true;
        description = ''
          Get one certificate for all hostnames of the engines and the portal, and renew it. Needs
          `security.acme.acceptTerms` and `security.acme.defaults.email`.
        '';
      };

      certificate = lib.mkOption {
        type = lib.types.nullOr lib.types.path;
        default = null;
        description = "The certificate with its chain, if it does not come by ACME.";
      };

      certificateKey = lib.mkOption {
        type = lib.types.nullOr lib.types.path;
        default = null;
        description = "Its key.";
      };

      rejectUnknown = lib.mkOption {
        type = lib.types.bool;
        default = true;
        description = ''
          Answer nothing to hostnames that this nginx does not serve. Off where another site is the `default` one.
        '';
      };

      uploadLimit = lib.mkOption {
        type = lib.types.str;
        default = "2g";
        description = "The largest upload.";
      };

      loginRate = lib.mkOption {
        type = lib.types.str;
        default = "20r/s";
        description = "How many requests with a password, right or wrong, may come from one address, after 200 at once.";
      };
    };
  };

  config = lib.mkIf cfg.enable (
    lib.mkMerge [
      {
        assertions = [
          {
            assertion = settings ? engines && settings.engines != { };
            message = "services.whisper-gateway.settings.engines is empty: name at least one engine.";
          }
        ];

        # So that `whisper-gateway status` and `whisper-gateway keys` work for whoever is root.
        environment.systemPackages = [ cfg.package ];
        environment.etc."whisper-gateway/config.yaml".source = configFile;
        environment.variables.WHISPER_GATEWAY_CONFIG = configPath;

        users.users = lib.mkIf (cfg.user == "whisper-gateway") {
          whisper-gateway = {
            isSystemUser = true;
            group = cfg.group;
            description = "whisper-gateway";
          };
        };
        users.groups = lib.mkIf (cfg.group == "whisper-gateway") { whisper-gateway = { }; };

        networking.firewall.allowedTCPPorts = lib.mkIf cfg.openFirewall (
          if cfg.nginx.enable then
            [
              80
              443
            ]
          else
            [ (lib.toInt (lib.last (lib.splitString ":" listen))) ]
        );

        systemd.services.whisper-gateway = {
          description = "One door for self-hosted speech-to-text";
          documentation = [ "file://${configPath}" ];
          wants = [ "network-online.target" ];
          after = [
            "network-online.target"
            "docker.service"
            "docker.socket"
          ];
          wantedBy = [ "multi-user.target" ];
          # Other settings count without a restart, and no request is refused for them.
          reloadTriggers = [ configFile ];
          restartTriggers = [ fixed ];
          startLimitIntervalSec = 300;
          startLimitBurst = 20;
          environment = {
            PYTHONDONTWRITEBYTECODE = "1";
          }
          // cfg.environment;

          # As in packaging/whisper-gateway.service, which says why.
          serviceConfig = {
            Type = "exec";
            ExecStart = "${cfg.package}/bin/whisper-gateway serve --config ${configPath}";
            ExecReload = "${pkgs.coreutils}/bin/kill -HUP $MAINPID";
            Restart = "on-failure";
            RestartSec = "1s";
            RestartPreventExitStatus = 2;
            TimeoutStopSec = "90s";
            KillMode = "mixed";
            LimitNOFILE = 65536;
            User = cfg.user;
            Group = cfg.group;
            StateDirectory = "whisper-gateway";
            StateDirectoryMode = "0750";
            RuntimeDirectory = "whisper-gateway";
            RuntimeDirectoryMode = "0700";
            UMask = "0077";
            NoNewPrivileges = true;
            CapabilityBoundingSet = "";
            AmbientCapabilities = "";
            ProtectSystem = "strict";
            ProtectHome = true;
            PrivateTmp = true;
            PrivateMounts = true;
            PrivateDevices = true;
            DevicePolicy = "closed";
            ProtectClock = true;
            ProtectControlGroups = true;
            ProtectHostname = true;
            ProtectKernelLogs = true;
            ProtectKernelModules = true;
            ProtectKernelTunables = true;
            ProtectProc = "invisible";
            ProcSubset = "pid";
            RestrictAddressFamilies = "AF_UNIX AF_INET AF_INET6";
            RestrictNamespaces = true;
            RestrictRealtime = true;
            RestrictSUIDSGID = true;
            LockPersonality = true;
            MemoryDenyWriteExecute = true;
            RemoveIPC = true;
            KeyringMode = "private";
            SystemCallArchitectures = "native";
            SystemCallFilter = [
              "@system-service"
              "~@privileged"
            ];
            SystemCallErrorNumber = "EPERM";
          }
          // lib.optionalAttrs hasContainers { SupplementaryGroups = "docker"; }
          // lib.optionalAttrs (cfg.environmentFile != null) { EnvironmentFile = cfg.environmentFile; }
          # As in packaging/process-engines.conf.
          // lib.optionalAttrs hasProcesses {
            KillMode = "process";
            OOMPolicy = "continue";
            CacheDirectory = "whisper-gateway";
            PrivateDevices = false;
            DevicePolicy = "auto";
            MemoryDenyWriteExecute = false;
            ProcSubset = "all";
          };
        };
      }

      (lib.mkIf hasContainers { virtualisation.docker.enable = lib.mkDefault true; })

      (lib.mkIf hasProcesses { systemd.services.whisper-gateway.environment.HOME = "/var/cache/whisper-gateway"; })

      (lib.mkIf cfg.nginx.enable {
        assertions = [
          {
            assertion = cfg.nginx.domains != [ ];
            message = "services.whisper-gateway.nginx.domains is empty: name the domain of your hostnames.";
          }
          {
            assertion = cfg.nginx.acme || (cfg.nginx.certificate != null && cfg.nginx.certificateKey != null);
            message = "services.whisper-gateway.nginx: name certificate and certificateKey, or let acme get them.";
          }
        ];

        # sudo whisper-gateway-add-user anna
        environment.systemPackages = [
          (pkgs.writeShellApplication {
            name = "whisper-gateway-add-user";
            runtimeInputs = [ pkgs.openssl ];
            text = ''
              export PASSWORDS=${toString cfg.nginx.passwordFile}
              sh ${../../nginx}/add-user "$@"
              chown root:${config.services.nginx.group} "$PASSWORDS"
              chmod 640 "$PASSWORDS"
            '';
          })
        ];
        systemd.tmpfiles.rules = [ "d ${stateDir}-nginx 0750 root ${config.services.nginx.group}" ];

        services.nginx.enable = true;
        services.nginx.appendHttpConfig =
          lib.optionalString cfg.nginx.rejectUnknown "include ${nginxConfig "default"};\n"
          + "include ${nginxConfig "gateway"};\n";
      })

      (lib.mkIf (cfg.nginx.enable && cfg.nginx.acme) {
        security.acme.certs.${certificate} = {
          domain = lib.head hosts;
          extraDomainNames = lib.tail hosts;
          webroot = "/var/lib/acme/acme-challenge";
          group = config.services.nginx.group;
          reloadServices = [ "nginx.service" ];
        };
        # Serves nobody: a socket that no client reaches. By its useACMEHost NixOS knows that nginx needs this certificate,
        # starts it with a self-signed one, and gets the real one when nginx answers.
        services.nginx.virtualHosts.whisper-gateway-certificate = {
          serverName = "whisper-gateway.invalid";
          listen = [
            {
              addr = "unix:/run/nginx/whisper-gateway-certificate.sock";
              ssl = true;
            }
          ];
          onlySSL = true;
          useACMEHost = certificate;
          locations."/".return = "444";
        };
      })
    ]
  );
}
