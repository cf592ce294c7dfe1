#!/usr/bin/env bash
# Lets speech-to-text, the language model and Parler compute on an NVIDIA GPU: CUDA's libraries for
# CTranslate2, llama.cpp compiled for this card, and Parler's environment with torch for CUDA.
# Says at once what is missing, and leaves what works as it is. May be run again at any time.
#   CUDACXX=/path/to/nvcc     the CUDA compiler, where it is not on the PATH or in /usr/local/cuda
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

name=install-gpu
venv=.venv
source deploy/environment.sh
cuda=$venv/.parlour-cuda
python=$venv/bin/python

[[ -x $python ]] || die "run make setup first"

# ---- the driver, the CUDA compiler, and whether they know this card -----------------------------

if ! capability=$("$python" -m hub.engines.gpu 2>&1); then
    die "$capability. Nothing was changed"
fi
nvcc=
for candidate in "${CUDACXX:-}" "$(command -v nvcc || true)" "${CUDA_HOME:-/usr/local/cuda}/bin/nvcc" /usr/local/cuda-*/bin/nvcc; do
    if [[ -n $candidate && -x $candidate ]]; then nvcc=$candidate; break; fi
done
toolkit="install NVIDIA's CUDA toolkit (Debian, Ubuntu: apt install nvidia-cuda-toolkit, or \
cuda-toolkit from https://developer.nvidia.com/cuda-downloads)"
[[ -n $nvcc ]] || die "there is no CUDA compiler (nvcc): $toolkit, then run this again. Nothing was changed"
release=$("$nvcc" --version | sed -n 's/.*release \([0-9]*\)\.\([0-9]*\).*/\1 \2/p')
read -r major minor <<<"$release" || die "$nvcc does not tell its version"
# The libraries of CUDA that it links to have its major version: the driver has to know that.
if ! capability=$("$python" -m hub.engines.gpu "$major" 2>&1); then
    die "$capability; or install a CUDA toolkit of another major version. Nothing was changed"
fi
known=$("$nvcc" --list-gpu-arch)
for each in ${capability//;/ }; do
    grep -qx "compute_$each" <<<"$known" ||
        die "CUDA $major.$minor ($nvcc) does not know GPUs of compute capability ${each%?}.${each: -1}; \
install another CUDA toolkit (Blackwell needs 12.8 or newer; cards before 7.5 need 12). Nothing was changed"
done
source_file=$(mktemp --suffix=.cu)
trap 'rm -f "$source_file"' EXIT
printf '#include <cublas_v2.h>\n' >"$source_file"
if ! said=$("$nvcc" -E "$source_file" 2>&1 >/dev/null); then
    printf '%s\n' "$said" | tail -n 3 >&2
    die "the CUDA toolkit of $nvcc is not whole (cuBLAS is missing, or see above): $toolkit. Nothing was changed"
fi

# ---- the hub's own environment ------------------------------------------------------------------

say "GPU of compute capability $capability, CUDA $major.$minor ($nvcc)"
# Built first and installed then: whatever happens meanwhile, .venv is as it was.
CUDACXX=$nvcc "$python" deploy/llama_wheel.py --cuda "$capability" --only-build ||
    die "llama.cpp could not be built with CUDA (see above). Nothing was changed"
printf '%s\n%s\n' "$capability" "$nvcc" >"$cuda.new"
mv "$cuda.new" "$cuda"
deploy/setup.sh || die "the set-up failed (see above); run it again"
if [[ ! -f $cuda ]]; then
    die "llama.cpp was built with CUDA, and does not load (see above). The hub works as before; the \
language model stays on the processor"
fi

# ---- Parler's -----------------------------------------------------------------------------------

PARLER_TORCH=cuda deploy/parler.sh || die "Parler's environment failed (see above); run this again"
say "done. Next: .venv/bin/parlour-hub doctor --profile"
