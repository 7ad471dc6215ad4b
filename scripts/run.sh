#!/bin/sh
# Sets up, builds, starts the server with a demo lesson running, prints the links. Ctrl-C ends everything.
# Options: --port N (7880), --media-port N (7882), --media-tcp-port N (7881), --data DIR (./data).
. "$(dirname "$0")/lib.sh"

port=7880 media=7882 media_tcp=7881 data=./data
while [ $# -gt 0 ]; do
    [ $# -ge 2 ] || die "make run ARGS=\"…\": $1 needs a value"
    case "$1" in
    --port) port=$2 ;;
    --media-port) media=$2 ;;
    --media-tcp-port) media_tcp=$2 ;;
    --data) data=$2 ;;
    *) die "make run: unknown option $1; known: --port --media-port --media-tcp-port --data" ;;
    esac
    shift 2
done
case "$port" in '' | *[!0-9]*) die "--port $port: a number from 1 to 65535 is needed" ;; esac

inputs=$(stamp_of scripts/setup.sh scripts/packages-build.txt)
if ! is_stamped setup-build "$inputs"; then
    scripts/setup.sh build
    set_stamp setup-build "$inputs"
fi
scripts/build.sh
scripts/make-clip.sh

tongke=build/release/tongke
url=http://localhost:$port
pids=""
stop() {
    trap - INT TERM EXIT
    for pid in $pids; do kill -TERM "$pid" 2>/dev/null || true; done
    for pid in $pids; do wait "$pid" 2>/dev/null || true; done
}
finish() {
    stop
    echo
    echo "同课 ended."
    exit 0
}
trap finish INT TERM
trap stop EXIT

mkdir -p "$data" build/demo || die "$data cannot be made; choose another with --data."
"$tongke" serve --dev --data "$data" --port "$port" --media-port "$media" --media-tcp-port "$media_tcp" \
    --log-level warn &
server=$!
pids="$server"

tries=0
while :; do
    kill -0 "$server" 2>/dev/null || { wait "$server" && code=0 || code=$?; exit "${code:-1}"; }
    # The port may be another program's: only our own answer counts.
    curl -fsS --max-time 2 "$url/api/v1/health" 2>/dev/null | grep -q '"status":"ok"' && break
    tries=$((tries + 1))
    [ "$tries" -lt 100 ] || die "the server does not answer on $url after 10 s; its messages are above."
    sleep 0.1
done

# A demo lesson that is still live is taken up again; one that was ended makes room for the next.
create=$("$tongke" token --room-create --room-list --identity make-run)
day=$(date +%Y%m%d)
n=1
lesson="demo-$day"
while :; do
    status=$(curl -sS -o build/demo/lesson.json -w '%{http_code}' -H "Authorization: Bearer $create" \
        -H 'Content-Type: application/json' -d "{\"id\":\"$lesson\",\"title\":\"音乐课:茉莉花(演示)\"}" \
        "$url/api/v1/lessons")
    [ "$status" = 201 ] && break
    [ "$status" = 409 ] || die "the demo lesson could not be made: $(cat build/demo/lesson.json)"
    curl -sS -H "Authorization: Bearer $create" "$url/api/v1/lessons" |
        grep -o "{\"id\":\"$lesson\"[^}]*}" | grep -q '"status":"live"' && break
    n=$((n + 1))
    lesson="demo-$day-$n"
done

token() { # identity role name school
    "$tongke" token --lesson "$lesson" --room "$lesson" --identity "$1" --role "$2" --name "$3" --school "$4" --ttl 24h
}
"$tongke" publish build/demo/lecture.mkv --loop --url "ws://localhost:$port" --room "$lesson" \
    --token "$(token lecture-clip lecture '主讲画面' '县第一小学')" >build/demo/publish.log 2>&1 &
pids="$pids $!"

link() { # label identity role name school
    printf '  %-22s %s/lesson/%s#token=%s\n' "$1" "$url" "$lesson" "$(token "$2" "$3" "$4" "$5")"
}
cat <<T

同课 Tongke: $url   (lesson $lesson)
Open each link in its own browser window. Ctrl-C ends.

T
link '主讲教师 teacher' teacher lecture '李老师' '县第一小学'
link '石桥 classroom 1' shiqiao remote '三年级' '石桥教学点'
link '云岭 classroom 2' yunling remote '四年级' '云岭教学点'
link '白水 classroom 3' baishui remote '五年级' '白水教学点'
link '听课 observer' observer observer '王教研员' '县教研室'
echo
wait "$server" && code=0 || code=$?
stop
exit "$code"
