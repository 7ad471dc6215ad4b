#!/bin/sh
# Makes the demo lecture once: a moving picture with a running clock, and speech in Chinese and English.
# Every whole second the picture flashes a white square and the sound has a short tone, so that
# sound and picture can be compared; the speech pauses for the tone. VP8 and Opus in Matroska, 60 s, loops without a seam.
. "$(dirname "$0")/lib.sh"

out=build/demo/lecture.mkv
version=$(stamp_of scripts/make-clip.sh)
is_stamped demo-clip "$version" && [ -f "$out" ] && exit 0
echo "making the demo lecture"
mkdir -p build/demo
font=$(fc-list : file family 2>/dev/null | grep -i 'NotoSansCJK-Bold\|NotoSansCJK-Regular' | head -n 1 | cut -d: -f1)
[ -n "$font" ] || font=$(fc-list : file | head -n 1 | cut -d: -f1)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cat >"$work/text" <<'T'
同学们好,欢迎来到同课课堂。今天我们一起学唱茉莉花。请看大屏幕,跟着节拍轻轻打拍子。
好,现在请石桥教学点的同学来试一试。唱得真好!我们再来一遍。
Good morning, everyone. Welcome to Tongke, one lesson for many classrooms. Let us sing together.
T
espeak-ng -v cmn -s 150 -w "$work/zh.wav" "$(head -n 2 "$work/text")"
espeak-ng -v en -s 140 -w "$work/en.wav" "$(tail -n 1 "$work/text")"
ffmpeg -v error -y -i "$work/zh.wav" -i "$work/en.wav" -filter_complex \
    "[0]aresample=48000[a];[1]aresample=48000[b];[a][b]concat=n=2:v=0:a=1,aloop=loop=-1:size=2e9,atrim=0:60[s];\
aevalsrc='if(lt(mod(t,1),0.05),0,0.8)':s=48000:d=60[g];[s][g]amultiply[v];\
aevalsrc='if(lt(mod(t,1),0.04),0.4*sin(2*PI*1000*t),0)':s=48000:d=60[t];\
[v][t]amix=inputs=2:duration=first:normalize=0,aformat=channel_layouts=mono[o]" \
    -map '[o]' "$work/sound.wav"
ffmpeg -v error -y -f lavfi -i "color=c=0x1b4965:s=1280x720:r=25:d=60" -i "$work/sound.wav" -filter_complex \
    "[0]drawbox=x='mod(t*160,1280)':y=560:w=120:h=120:color=0xffb703:t=fill,\
drawbox=x=1120:y=40:w=120:h=120:color=white:t=fill:enable='lt(mod(t,1),0.04)',\
drawtext=fontfile='$font':text='同课 · 音乐课 茉莉花':fontsize=72:fontcolor=white:x=80:y=80,\
drawtext=fontfile='$font':text='主讲 县第一小学':fontsize=40:fontcolor=0xcae9ff:x=80:y=190,\
drawtext=fontfile='$font':text='%{pts\:hms}':fontsize=120:fontcolor=white:x=80:y=320[v]" \
    -map '[v]' -map 1:a -c:v libvpx -deadline realtime -cpu-used 8 -b:v 900k -g 50 -auto-alt-ref 0 \
    -c:a libopus -b:a 32k -frame_duration 20 -t 60 "$work/lecture.mkv"
mv "$work/lecture.mkv" "$out"
set_stamp demo-clip "$version"
