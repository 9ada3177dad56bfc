# As much of nixpkgs as it takes to evaluate packaging/nix without it: the options' defaults, mkIf and mkMerge, and a few
# functions. Types are not checked. What would be built comes out as JSON of what it would be built from.
rec {
  lib = rec {
    inherit (builtins)
      head
      tail
      any
      attrValues
      concatMap
      concatStringsSep
      ;
    last = list: builtins.elemAt list (builtins.length list - 1);
    optional = condition: value: if condition then [ value ] else [ ];
    optionalAttrs = condition: value: if condition then value else { };
    optionalString = condition: value: if condition then value else "";
    splitString = mark: text: builtins.filter builtins.isString (builtins.split mark text);
    toInt = builtins.fromJSON;
    hasInfix = part: text: builtins.length (builtins.split part text) > 1;
    isSet = value: builtins.isAttrs value && !(value ? outPath);
    recursiveUpdate =
      one: two:
      one
      // builtins.mapAttrs (
        name: value: if isSet value && isSet (one.${name} or null) then recursiveUpdate one.${name} value else value
      ) two;
    cleanSource = path: path;
    literalExpression = text: text;
    licenses.mit = "mit";
    platforms.unix = [ "unix" ];
    mkOption = option: option // { isOption = true; };
    mkEnableOption =
      description:
      mkOption {
        inherit description;
        type = "bool";
        default = false;
      };
    mkDefault = value: value;
    mkIf = condition: content: { inherit condition content; };
    mkMerge = merged: { inherit merged; };
    types = {
      package = "package";
      path = "path";
      str = "str";
      bool = "bool";
      port = "port";
      submodule = _: "submodule";
      nullOr = _: "nullOr";
      listOf = _: "listOf";
      attrsOf = _: "attrsOf";
    };
  };

  pkgs = {
    formats.yaml = _: {
      type = "yaml";
      generate = name: value: { outPath = builtins.toJSON { inherit name value; }; };
    };
    runCommand = name: environment: script: { outPath = builtins.toJSON { inherit name environment script; }; };
    writeShellApplication = application: { outPath = builtins.toJSON application; };
    openssl = "openssl";
    coreutils = "/nix/store/coreutils";
    callPackage = _: _: { outPath = "/nix/store/whisper-gateway"; };
  };

  # What the option's user gives, over the defaults.
  chosen =
    options: given:
    builtins.mapAttrs (
      name: option:
      if !(option ? isOption) then
        chosen option (given.${name} or { })
      else
        given.${name} or option.default
    ) options
    // (
      let
        unknown = builtins.removeAttrs given (builtins.attrNames options);
      in
      if unknown == { } then { } else throw "no such option: ${toString (builtins.attrNames unknown)}"
    );

  merge =
    one: two:
    if lib.isSet one && lib.isSet two then
      one // builtins.mapAttrs (name: value: if one ? ${name} then merge one.${name} value else value) two
    else if builtins.isList one && builtins.isList two then
      one ++ two
    else if one == two then
      one
    else
      throw "defined twice";

  # mkIf and mkMerge, at any depth.
  settled =
    value:
    if value ? condition then
      (if value.condition then settled value.content else { })
    else if value ? merged then
      builtins.foldl' merge { } (map settled value.merged)
    else if builtins.isList value then
      map settled value
    else if lib.isSet value then
      builtins.mapAttrs (_: settled) (
        builtins.removeAttrs value (builtins.filter (name: value.${name} ? condition && !value.${name}.condition) (builtins.attrNames value))
      )
    else
      value;

  # The whole system that comes of services.whisper-gateway = given.
  system =
    given:
    let
      module = import ../../packaging/nix/module.nix {
        inherit lib pkgs;
        config = {
          services.whisper-gateway = chosen module.options.services.whisper-gateway given;
          services.nginx.group = "nginx";
        };
      };
    in
    settled module.config;

  options = import ../../packaging/nix/module.nix {
    inherit lib pkgs;
    config.services.whisper-gateway = { };
  };

  package = import ../../packaging/nix/package.nix {
    inherit lib;
    python3Packages = builtins.mapAttrs (name: _: name) (builtins.fromJSON (builtins.getEnv "PYTHON_PACKAGES")) // {
      buildPythonApplication = built: built;
      hatchling = "hatchling";
    };
  };
}
