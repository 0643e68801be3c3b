#!/usr/bin/env bash
# Install into an environment what the tests of the GPU need on a machine that has none:
#   pycuda            there are no wheels of it, it is compiled here: a minute or more, kept in ~/.cache/matecheck
#   tensorrt          the bindings alone of three versions, side by side in the cache; none of NVIDIA's libraries
#   pybind11-stubgen  makes types of the bindings, for mypy
#   tensorrt-rtx      NVIDIA's parser and compiler, which build without a GPU; 90 MB under NVIDIA's licence
# usage: install.sh PYTHON
# Exit code 75: something cannot be had here (no network, no compiler); the tests that need it say that they did not run.
set -euo pipefail
python=$1
here=$(cd "$(dirname "$0")" && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/matecheck/gpu-$("$python" -c 'import sys; print("py%d.%d" % sys.version_info[:2])')
mkdir -p "$cache"
unavailable() { echo "NOT RUN: $1" >&2; exit 75; }

# The last versions of JetPack 6 and 7.1, and of the line of JetPack 7.2.2.
for version in 10.3.0 10.13.3.9.post1 11.4.0.106; do
    if [ ! -d "$cache/tensorrt-$version" ]; then
        "$python" -m pip install -q --no-deps --target "$cache/part" "tensorrt-cu12-bindings==$version" ||
            unavailable "the bindings of TensorRT $version cannot be installed"
        mv "$cache/part" "$cache/tensorrt-$version"
    fi
done

pycuda=2026.1
if ! ls "$cache"/pycuda-$pycuda-*.whl > /dev/null 2>&1; then
    command -v g++ > /dev/null || unavailable "pycuda needs g++: sudo apt-get install g++"
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    "$python" -m pip install -q --no-deps --target "$work/cuda" nvidia-cuda-runtime-cu12==12.9.79 ||
        unavailable "the headers of CUDA cannot be installed"
    "$python" -m pip install -q setuptools wheel || unavailable "setuptools cannot be installed"
    "$python" -m pip download -q --no-deps --no-build-isolation --no-binary :all: -d "$work" "pycuda==$pycuda" ||
        unavailable "pycuda cannot be downloaded"
    tar -xzf "$work/pycuda-$pycuda.tar.gz" -C "$work"
    # The fake driver is loaded before pycuda is, so that a library without any function will do to link with.
    mkdir "$work/lib"
    gcc -shared -fPIC -o "$work/lib/libcuda.so" -x c /dev/null
    cat > "$work/pycuda-$pycuda/siteconf.py" << CONFIG
CUDA_INC_DIR = ["$work/cuda/nvidia/cuda_runtime/include", "$here/include"]
CUDADRV_LIB_DIR = ["$work/lib"]
CUDA_ENABLE_CURAND = False
CXXFLAGS = ["-O0", "-g0", "-w"]
CONFIG
    echo "compiling pycuda, once: a minute or more …"
    "$python" -m pip wheel -q --no-deps --no-build-isolation -w "$cache" "$work/pycuda-$pycuda"
fi
"$python" -m pip install -q pybind11-stubgen==2.5.5 "$cache"/pycuda-$pycuda-*.whl ||
    unavailable "pycuda's own requirements cannot be installed"
"$python" -m pip install -q tensorrt-rtx-cu12==1.7.1.116 || unavailable "NVIDIA's compiler cannot be installed"
