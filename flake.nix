{
  description = "Agent-FLAN, reproduced: a shell with Python 3.11 in which `make` installs the locked environment";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/8fd9daa3db09ced9700431c5b7ad0e8ba199b575";

  outputs = { self, nixpkgs }:
    let
      systems = [ "x86_64-linux" ];
      forEach = f: nixpkgs.lib.genAttrs systems (system: f nixpkgs.legacyPackages.${system});
      # The wheels of the lock are built for ordinary Linux distributions and look for these libraries.
      libraries = pkgs: [ pkgs.stdenv.cc.cc.lib pkgs.zlib ];
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
    };
}
