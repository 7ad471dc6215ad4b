#!/bin/sh
# Makes the recorded encoder output that `tongke load` replays (bench/data/*.clip), with the settings of a real-time
# sender: constant bit rate, no B-frames, a keyframe only at the seam of the loop. Committed; run it again only to change them.
. "$(dirname "$0")/lib.sh"

seconds=4
out=bench/data
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# A presenter's picture for an encoder: detail that moves a little, and the noise of a camera.
picture="testsrc2=size=1280x720:rate=30:duration=$seconds,noise=alls=6:allf=t"

vp8() { # NAME WIDTH HEIGHT KBIT
    ffmpeg -v error -y -f lavfi -i "$picture" -vf "scale=$2:$3" -pix_fmt yuv420p -c:v libvpx -deadline realtime \
        -cpu-used 6 -error-resilient default -auto-alt-ref 0 -lag-in-frames 0 -b:v "$4k" -minrate "$4k" -maxrate "$4k" \
        -bufsize "$4k" -rc_init_occupancy "$(($4 / 2))k" -qmin 2 -qmax 56 -g 9999 -keyint_min 9999 "$work/$1.ivf"
    python3 scripts/pack-clip.py vp8 "$2" "$3" 33333 "$work/$1.ivf" "$out/$1.clip"
}
mkdir -p "$out"
vp8 vp8-low 320 180 150
vp8 vp8-mid 640 360 500
vp8 vp8-high 1280 720 1500
ffmpeg -v error -y -f lavfi -i "$picture" -pix_fmt yuv420p -c:v libx264 -profile:v baseline -preset veryfast -tune zerolatency \
    -b:v 1500k -maxrate 1500k -bufsize 750k -g 9999 -sc_threshold 0 -x264-params aud=1:slices=1:sliced-threads=0 \
    -bsf:v h264_metadata=delete_filler=1 -f h264 "$work/h264.h264"
python3 scripts/pack-clip.py h264 1280 720 33333 "$work/h264.h264" "$out/h264.clip"
ffmpeg -v error -y -f lavfi -i "anoisesrc=color=pink:sample_rate=48000:duration=$seconds" -ac 1 -c:a libopus -b:a 32k -vbr off \
    -application voip -frame_duration 20 "$work/opus.ogg"
python3 scripts/pack-clip.py opus 0 0 20000 "$work/opus.ogg" "$out/opus.clip"
