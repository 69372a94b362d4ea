{
  description = "Agent-FLAN, reproduced: a shell with Python 3.11 in which `make` installs the locked environment";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/8fd9daa3db09ced9700431c5b7ad0e8ba199b575";

  outputs = { self, nixpkgs }:
    let
      systems = [ "x86_64-linux" ];
      forEach = f: nixpkgs.lib.genAttrs systems (system: f nixpkgs.legacyPackages.${system});
      # The wheels of the lock are built for ordinary Linux distributions and look for these libraries.
      libraries = pkgs: [ pkgs.stdenv.cc.cc.lib pkgs.zlib ];
      # The files of the lock, each by its SHA-256: builds have no network, and pip takes them from this folder.
      wheels = pkgs: pkgs.linkFarm "agentflan-wheels"
        (map (file: { inherit (file) name; path = pkgs.fetchurl { inherit (file) url sha256; }; }) (import ./nix/wheels.nix));
      command = pkgs: name: target: {
        type = "app";
        program = toString (pkgs.writeShellScript name ''
          export PATH=${pkgs.lib.makeBinPath [ pkgs.python311 pkgs.gnumake pkgs.gcc pkgs.coreutils ]}:$PATH
          export LD_LIBRARY_PATH=${pkgs.lib.makeLibraryPath (libraries pkgs)}
          exec make ${target} "$@"
        '');
      };
    in
    {
      devShells = forEach (pkgs: {
        default = pkgs.mkShell {
          packages = [ pkgs.python311 pkgs.uv pkgs.gnumake pkgs.git ];
          LD_LIBRARY_PATH = pkgs.lib.makeLibraryPath (libraries pkgs);
          shellHook = "make .venv/.ready && source .venv/bin/activate";
        };
      });
      apps = forEach (pkgs: {
        default = command pkgs "study" "study";
        test = command pkgs "test" "test";
      });
      # `nix flake check`: the unit and contract tests, in the locked environment.
      checks = forEach (pkgs: {
        default = pkgs.runCommand "agentflan-tests"
          {
            nativeBuildInputs = [ pkgs.python311 pkgs.gcc pkgs.git ];
            PIP_NO_INDEX = "1"; # also in the isolated builds of the few packages that come as source
            PIP_FIND_LINKS = wheels pkgs;
            LD_LIBRARY_PATH = pkgs.lib.makeLibraryPath (libraries pkgs);
          } ''
          export HOME=$PWD
          cp -r ${self} source && chmod -R u+w source && cd source
          python3.11 -m venv .venv
          .venv/bin/pip install --no-deps --require-hashes --requirement requirements/base.lock
          .venv/bin/pip install --no-deps torch==2.13.0+cpu
          .venv/bin/pip install --no-deps --no-build-isolation --editable .
          .venv/bin/pytest tests/unit tests/contract -m "not slow"
          touch $out
        '';
      });
    };
}
