# The files that pip needs for requirements/base.lock on Linux x86-64 with Python 3.11, as uv.lock names them:
# a list of { name, url, sha256 }. Plain Nix, so that it can be evaluated without nixpkgs.
let
  inherit (builtins) baseNameOf concatMap elemAt filter fromTOML isString match readFile split substring;
  pins = map (line: match "([A-Za-z0-9_.-]+)(\\[[^]]*])?==([^ ;\\]+).*" line)
    (filter isString (split "\n" (readFile ../requirements/base.lock)));
  wanted = map (pin: "${elemAt pin 0}==${elemAt pin 2}") (filter (pin: pin != null) pins);
  fits = wheel: match
    ".*-(py2\\.py3-none|py3-none|cp311-cp311|cp3[0-9]+-abi3|cp311-none|py3-[a-z]+)-(any|[^-]*manylinux[^-]*x86_64[^-]*)\\.whl"
    (baseNameOf wheel.url) != null;
  files = package:
    let wheels = filter fits (package.wheels or [ ]);
    in if wheels == [ ] then [ package.sdist ] else wheels;
  hex = hash: substring 7 64 hash; # without "sha256:"
  isWanted = package: builtins.elem "${package.name}==${package.version}" wanted;
  torch = {
    name = "torch-2.13.0+cpu-cp311-cp311-manylinux_2_28_x86_64.whl";
    url = "https://download.pytorch.org/whl/cpu/torch-2.13.0%2Bcpu-cp311-cp311-manylinux_2_28_x86_64.whl";
    sha256 = "6746dbcbeb526eb61330b76b41ff1b4eb848951103a892eeb080dfa2b264667b";
  };
in
[ torch ] ++ map (file: { name = baseNameOf file.url; inherit (file) url; sha256 = hex file.hash; })
  (concatMap files (filter isWanted (fromTOML (readFile ../uv.lock)).package))
