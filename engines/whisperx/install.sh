#!/bin/sh
# Installs what the WhisperX engine needs into a Python environment; so do the image and `make test-whisperx`.
#
#   python3 -m venv venv && engines/whisperx/install.sh venv/bin/python [more of what pip installs]
#
# TORCH_INDEX          where torch comes from: the address of an index, a folder of wheels, or nothing for pip's own index.
#                      Unless set: PyTorch's index for VARIANT.
# VARIANT              cpu (default) or cuda, for NVIDIA GPUs: CUDA 12.8, because CTranslate2 wants cuBLAS 12.
# TORCH_VERSION, TORCHAUDIO_VERSION    unless set, what whisperx is made for.
#
# torch is installed first, by itself, because only so its source is certain: whatever else depends on it would bring the
# newest one, with 3 GB of CUDA. whisperx and pyannote.audio are installed without what they depend on, because that
# includes torchcodec and torchvision, of which nothing is used here (audio is decoded before) and which only fit one version
# of torch. requirements.txt lists what they depend on besides.
set -eu
python=$1
shift
here=$(dirname "$0")

: "${VARIANT:=cpu}" "${TORCH_VERSION:=2.8.0}"
: "${TORCHAUDIO_VERSION:=$TORCH_VERSION}"
case $VARIANT in
    cpu) index=cpu ;;
    cuda) index=cu128 ;;
    *) echo "VARIANT=$VARIANT: cpu or cuda" >&2; exit 2 ;;
esac
TORCH_INDEX=${TORCH_INDEX-https://download.pytorch.org/whl/$index}

install() {
    "$python" -m pip install --disable-pip-version-check --constraint "$here/constraints.txt" "$@"
}

torch="torch==$TORCH_VERSION torchaudio==$TORCHAUDIO_VERSION"
# shellcheck disable=SC2086  # two requirements
if [ -z "$TORCH_INDEX" ]; then
    install --no-deps $torch
elif [ -d "$TORCH_INDEX" ]; then
    install --no-deps --no-index --find-links "$TORCH_INDEX" $torch
else
    install --no-deps --index-url "$TORCH_INDEX" $torch
fi
# shellcheck disable=SC2086  # with what torch depends on, and so that nothing replaces it
install --requirement "$here/requirements.txt" $torch "$@"
install --no-deps whisperx pyannote.audio
