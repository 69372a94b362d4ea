#!/usr/bin/env bash
# Write base.lock, cuda.lock and cpu.lock from uv.lock, the source of truth. Run it after every `uv lock`.
set -euo pipefail
cd "$(dirname "$0")/.."
export_lock() { uv export --frozen --offline --quiet --no-emit-project --no-header --no-annotate "$@"; }

skip=(--no-emit-package torch --no-emit-package triton)
while read -r name; do skip+=(--no-emit-package "$name"); done \
  < <(grep -oE '^name = "(nvidia|cuda)-[^"]+"' uv.lock | cut -d'"' -f2 | grep -vx nvidia-ml-py)

note='# Written by requirements/export.sh from uv.lock; do not edit.'
{ echo "$note"; export_lock "${skip[@]}"; } > requirements/base.lock
{ echo "$note"; export_lock; } > requirements/cuda.lock
{
  echo "$note"
  echo '# The official CPU wheel of PyTorch; a wheel of the same bytes in PIP_FIND_LINKS serves as well.'
  echo '-r base.lock'
  echo '--find-links https://download.pytorch.org/whl/cpu/torch/'
  echo 'torch==2.13.0+cpu --hash=sha256:6746dbcbeb526eb61330b76b41ff1b4eb848951103a892eeb080dfa2b264667b'
} > requirements/cpu.lock
