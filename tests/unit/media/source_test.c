/*
 * Goal: files of the usual kinds become Opus and VP8 or H.264 frames with right times, over loops
 * too; bad files are refused with the file's name and the reason, and nothing hangs.
 * Method: short clips made by ffmpeg in a temporary folder, read to the end; frames counted, times
 * checked against the clip's length.
 */
#include "unit/cmocka_all.h"

#include "base/err.h"
#include "media/feed.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PICTURE " -f lavfi -i testsrc=size=320x240:rate=25:duration=2"
#define SOUND   " -f lavfi -i sine=frequency=440:sample_rate=44100:duration=2"

static char folder[] = "/tmp/tongke-media-XXXXXX";

static void path_of(const char *name, char path[256])
{
    snprintf(path, 256, "%s/%s", folder, name);
}

/* Makes a clip with ffmpeg; `arguments` say what goes in and how it is coded. */
static void make_clip(const char *name, const char *arguments)
{
    char command[1024], path[256];
    path_of(name, path);
    snprintf(command, sizeof(command), "ffmpeg -nostdin -loglevel error -y %s %s </dev/null",
             arguments, path);
    assert_int_equal(system(command), 0);
}

struct seen {
    unsigned audio, video, keyframes, level_sum;
    mono_us audio_first, video_first, audio_last, video_last;
    bool is_ordered;
    bool starts_with_keyframe;
    bool has_parameter_sets; /* every H.264 keyframe carries an SPS */
};

static void note_frame(struct seen *s, const struct media_frame *f)
{
    if (f->kind == RTP_KIND_AUDIO) {
        s->level_sum += f->level_dbov;
        if (s->audio++ == 0)
            s->audio_first = f->pts;
        else if (f->pts <= s->audio_last)
            s->is_ordered = false;
        s->audio_last = f->pts;
        return;
    }
    if (s->video++ == 0) {
        s->video_first = f->pts;
        s->starts_with_keyframe = f->is_keyframe;
    } else if (f->pts <= s->video_last) {
        s->is_ordered = false;
    }
    s->video_last = f->pts;
    if (!f->is_keyframe)
        return;
    s->keyframes++;
    bool has_sps = false;
    for (size_t i = 0; i + 3 < f->size && !has_sps; i++)
        has_sps = f->data[i] == 0 && f->data[i + 1] == 0 && f->data[i + 2] == 1 &&
                  (f->data[i + 3] & 31) == 7;
    s->has_parameter_sets = s->has_parameter_sets && has_sps;
}

/* Reads until the end or `until`; returns the last result. */
static int read_frames(struct media_source *source, mono_us until, struct seen *ret_seen,
                       struct media_error *error)
{
    *ret_seen = (struct seen){.is_ordered = true, .has_parameter_sets = true};
    struct media_frame f;
    int result = 0;
    while ((result = media_source_next(source, &f, error)) == 1) {
        mono_us pts = f.pts;
        note_frame(ret_seen, &f);
        media_frame_fini(&f);
        if (pts > until)
            break;
    }
    return result;
}

static const struct clip {
    const char *name, *arguments;
    bool has_audio, has_video, is_audio_passed, is_video_passed;
    enum rtp_codec codec;
} clips[] = {
    {"plain.mp4", PICTURE SOUND " -c:v libx264 -bf 0 -g 25 -pix_fmt yuv420p -c:a aac", true, true,
     false, true, RTP_CODEC_H264},
    {"bframes.mp4", PICTURE SOUND " -c:v libx264 -bf 2 -pix_fmt yuv420p -c:a libopus", true, true,
     true, false, RTP_CODEC_VP8},
    {"stream.ts", PICTURE SOUND " -c:v libx264 -bf 0 -g 25 -pix_fmt yuv420p -c:a mp2", true, true,
     false, true, RTP_CODEC_H264},
    {"clip.webm", PICTURE SOUND " -c:v libvpx -g 25 -auto-alt-ref 0 -c:a libopus", true, true, true,
     true, RTP_CODEC_VP8},
    {"nine.mkv", PICTURE SOUND " -c:v mpeg4 -c:a flac", true, true, false, false, RTP_CODEC_VP8},
    {"444.mp4", PICTURE " -c:v libx264 -bf 0 -pix_fmt yuv444p", false, true, false, false,
     RTP_CODEC_VP8},
    {"tone.mp3", SOUND " -c:a libmp3lame", true, false, false, false, RTP_CODEC_NONE},
    {"tone.wav", SOUND " -ac 1", true, false, false, false, RTP_CODEC_NONE},
};

static void reads_clip(const struct clip *c)
{
    char path[256];
    make_clip(c->name, c->arguments);
    path_of(c->name, path);
    struct media_source_config config = media_source_config_default(path);
    struct media_source *source = NULL;
    struct media_error error;
    struct media_info info;
    struct seen seen;
    if (media_source_open(&config, &source, &error) < 0)
        fail_msg("%s", error.text);
    media_source_info(source, &info);
    assert_int_equal(info.has_audio, c->has_audio);
    assert_int_equal(info.has_video, c->has_video);
    assert_int_equal(info.is_audio_passed, c->is_audio_passed);
    assert_int_equal(info.is_video_passed, c->is_video_passed);
    assert_int_equal(info.video_codec, c->codec);
    assert_int_equal(info.h264_profile_level_id[0] != '\0', c->codec == RTP_CODEC_H264);
    int result = read_frames(source, MONO_NEVER, &seen, &error);
    if (result != 0)
        fail_msg("%s: %s", c->name, error.text);
    assert_true(seen.is_ordered);
    if (c->has_audio) {
        assert_in_range(seen.audio, 98, 104); /* 100 frames of 20 ms, and the codec's own delay */
        assert_in_range(seen.level_sum / seen.audio, 18, 26); /* sine of 1/8: -21 dB */
        assert_in_range(seen.audio_last + MONO_S(1), MONO_MS(2900), MONO_MS(3100));
    }
    if (c->has_video) {
        assert_in_range(seen.video, 49, 51);
        assert_true(seen.starts_with_keyframe);
        assert_in_range(seen.video_last, MONO_MS(1900), MONO_MS(2100));
    }
    if (c->has_audio && c->has_video) /* no more apart than a coder's delay */
        assert_in_range(seen.video_first - seen.audio_first + MONO_MS(60), 0, MONO_MS(120));
    if (c->codec == RTP_CODEC_H264)
        assert_true(seen.has_parameter_sets && seen.keyframes >= 2);
    media_source_close(source);
}

static void reads_usual_clips(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(clips); i++)
        reads_clip(&clips[i]);
}

static void loops_without_a_seam(void **state)
{
    (void)state;
    static const char *const names[] = {"plain.mp4", "clip.webm", "nine.mkv", "stream.ts"};
    for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
        char path[256];
        path_of(names[i], path);
        struct media_source_config config = media_source_config_default(path);
        config.is_looping = true;
        struct media_source *source = NULL;
        struct media_error error;
        struct seen seen;
        assert_int_equal(media_source_open(&config, &source, &error), 0);
        if (read_frames(source, MONO_S(9), &seen, &error) != 1)
            fail_msg("%s: %s", names[i], error.text);
        assert_true(seen.is_ordered);
        assert_in_range(seen.video, 215, 235);
        assert_in_range(seen.audio, 430, 465);
        mono_us apart = seen.video_last - seen.audio_last;
        assert_in_range(apart + MONO_S(1), 0, MONO_S(2)); /* the container's interleaving */
        media_source_close(source);
    }
}

static void makes_keyframes_on_demand(void **state)
{
    (void)state;
    char path[256];
    path_of("nine.mkv", path);
    struct media_source_config config = media_source_config_default(path);
    config.has_audio = false;
    struct media_source *source = NULL;
    struct media_error error;
    struct media_frame f;
    assert_int_equal(media_source_open(&config, &source, &error), 0);
    for (int i = 0; i < 10; i++) {
        assert_int_equal(media_source_next(source, &f, &error), 1);
        assert_int_equal(f.is_keyframe, i == 0 || i == 5);
        media_frame_fini(&f);
        if (i == 4)
            media_source_want_keyframe(source);
    }
    media_source_close(source);
}

static void scales_large_pictures_down(void **state)
{
    (void)state;
    char path[256];
    make_clip("large.mkv",
              " -f lavfi -i testsrc=size=1920x1080:rate=60:duration=0.5 -c:v mjpeg -q:v 10");
    path_of("large.mkv", path);
    struct media_source_config config = media_source_config_default(path);
    config.height_max = 360;
    struct media_source *source = NULL;
    struct media_error error;
    struct media_info info;
    struct seen seen;
    assert_int_equal(media_source_open(&config, &source, &error), 0);
    media_source_info(source, &info);
    assert_int_equal(info.width, 640);
    assert_int_equal(info.height, 360);
    assert_int_equal(read_frames(source, MONO_NEVER, &seen, &error), 0);
    assert_in_range(seen.video, 14, 17); /* 60 fps thinned out to 30 */
    media_source_close(source);
}

/* The note that a telephone writes, put on a copy. */
#define LYING_COPY " -i %s/plain.mp4 -an -c copy -metadata:s:v:0 rotate=90"

#define SECONDS(n) " -f lavfi -i testsrc=size=320x240:rate=25:duration=" n

/* What could pass, but should not: a telephone's lying picture, keyframes too far apart, with and
 * without an index, too large a picture, too high a bitrate. */
static void encodes_what_should_not_pass(void **state)
{
    (void)state;
    static const struct {
        const char *name, *arguments;
        bool is_copy;
        uint16_t width, height;
    } cases[] = {
        {"turned.mp4", "", true, 240, 320},
        {"rare.mp4",
         " -f lavfi -i testsrc=size=320x240:rate=25:duration=8 -c:v libx264 -bf 0 -g 1000 "
         "-sc_threshold 0 -pix_fmt yuv420p",
         false, 320, 240},
        {"one_key.webm", SECONDS("4") " -c:v libvpx -g 1000 -auto-alt-ref 0", false, 320, 240},
        {"rare.ts", SECONDS("4") " -c:v libx264 -bf 0 -g 1000 -sc_threshold 0 -pix_fmt yuv420p",
         false, 320, 240},
        {"huge.mp4",
         " -f lavfi -i testsrc=size=2560x1440:rate=5:duration=1 -c:v libx264 -bf 0 -g 5 "
         "-pix_fmt yuv420p",
         false, 1280, 720},
        {"fat.mp4",
         " -f lavfi -i nullsrc=size=640x360:rate=25:duration=1,geq='random(1)*255:128:128' "
         "-c:v libx264 -preset ultrafast -qp 10 -bf 0 -g 25 -pix_fmt yuv420p",
         false, 640, 360},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        char path[256];
        char arguments[512];
        snprintf(arguments, sizeof(arguments), cases[i].is_copy ? LYING_COPY : "%s",
                 cases[i].is_copy ? folder : cases[i].arguments);
        make_clip(cases[i].name, arguments);
        path_of(cases[i].name, path);
        struct media_source_config config = media_source_config_default(path);
        struct media_source *source = NULL;
        struct media_error error;
        struct media_info info;
        struct media_frame f;
        assert_int_equal(media_source_open(&config, &source, &error), 0);
        media_source_info(source, &info);
        if (info.is_video_passed)
            fail_msg("%s passes", cases[i].name);
        assert_int_equal(info.width, cases[i].width);
        assert_int_equal(info.height, cases[i].height);
        assert_int_equal(media_source_next(source, &f, &error), 1);
        /* RFC 6386, 9.1: the keyframe's own size */
        assert_int_equal(f.data[6] | (f.data[7] & 0x3f) << 8, cases[i].width);
        assert_int_equal(f.data[8] | (f.data[9] & 0x3f) << 8, cases[i].height);
        media_frame_fini(&f);
        media_source_close(source);
    }
}

/* Reads a clip as a machine would that needs `cost` for every picture that it sends; `jump` is a
 * time for which it does nothing, after 1 s. */
static void read_slowly(const char *name, mono_us cost, mono_us jump, struct seen *ret_seen,
                        mono_us *ret_late_max, uint64_t *ret_left_out)
{
    char path[256];
    path_of(name, path);
    struct media_source_config config = media_source_config_default(path);
    config.may_pass_through = false;
    struct media_source *source = NULL;
    struct media_error error;
    struct media_frame f;
    mono_us due = 0;
    int result = 0;
    *ret_seen = (struct seen){.is_ordered = true};
    *ret_late_max = 0;
    assert_int_equal(media_source_open(&config, &source, &error), 0);
    while ((result = media_source_next(source, &f, &error)) == 1) {
        due = TK_MAX(due, f.pts);
        note_frame(ret_seen, &f);
        if (f.kind == RTP_KIND_VIDEO) {
            *ret_late_max = TK_MAX(*ret_late_max, due - f.pts);
            due += cost;
        }
        if (due > MONO_S(1)) {
            due += jump;
            jump = 0;
        }
        media_source_set_due(source, due);
        media_frame_fini(&f);
    }
    if (result != 0)
        fail_msg("%s: %s", name, error.text);
    *ret_left_out = media_source_left_out(source);
    media_source_close(source);
}

/* Encoding takes five times as long as the pictures last: they lose their rate, and neither their
 * place in time nor the sound. */
static void leaves_out_pictures_when_slow(void **state)
{
    (void)state;
    struct seen seen;
    mono_us late = 0;
    uint64_t left_out = 0;
    read_slowly("bframes.mp4", MONO_MS(200), 0, &seen, &late, &left_out);
    assert_in_range(seen.audio, 98, 104);
    assert_in_range(seen.video, 4, 15);
    assert_true(left_out >= 30);
    assert_true(seen.is_ordered && late <= MONO_MS(450));
}

/* One picture takes longer than the half second after which the next is shown. */
static void keeps_up_however_slow(void **state)
{
    (void)state;
    struct seen seen;
    mono_us late = 0;
    uint64_t left_out = 0;
    read_slowly("long.mp4", MONO_MS(900), 0, &seen, &late, &left_out);
    assert_in_range(seen.video, 4, 9);
    assert_true(seen.is_ordered && late <= MONO_MS(1300));
}

/* After a long halt the picture goes on at the next keyframe. */
static void skips_to_a_keyframe_when_very_late(void **state)
{
    (void)state;
    struct seen seen;
    mono_us late = 0;
    uint64_t left_out = 0;
    make_clip("long.mp4", SECONDS("6") " -c:v libx264 -bf 0 -g 25 -pix_fmt yuv420p");
    read_slowly("long.mp4", MONO_MS(1), MONO_S(2), &seen, &late, &left_out);
    assert_in_range(left_out, 35, 80);
    assert_in_range(seen.video, 70, 115);
    assert_in_range(seen.video_last, MONO_MS(5900), MONO_MS(6100));
    assert_true(seen.is_ordered && late <= MONO_MS(2100));
}

/* The index of a Matroska file is at its end, and some files have none. */
static void passes_long_clips(void **state)
{
    (void)state;
    static const char *const long_clips[][2] = {
        {"long.webm", SECONDS("14") " -c:v libvpx -g 25 -auto-alt-ref 0"},
        {"long.ts", SECONDS("14") " -c:v libx264 -bf 0 -g 25 -pix_fmt yuv420p"}};
    for (size_t i = 0; i < ARRAY_COUNT(long_clips); i++) {
        char path[256];
        make_clip(long_clips[i][0], long_clips[i][1]);
        path_of(long_clips[i][0], path);
        struct media_source_config config = media_source_config_default(path);
        struct media_source *source = NULL;
        struct media_error error;
        struct media_info info;
        struct seen seen;
        assert_int_equal(media_source_open(&config, &source, &error), 0);
        media_source_info(source, &info);
        if (!info.is_video_passed)
            fail_msg("%s does not pass", long_clips[i][0]);
        assert_int_equal(read_frames(source, MONO_NEVER, &seen, &error), 0);
        assert_in_range(seen.video, 349, 351); /* nothing was lost to looking ahead */
        assert_in_range(seen.keyframes, 14, 15);
        media_source_close(source);
    }
}

static void write_file(const char *name, const void *data, size_t size)
{
    char path[256];
    path_of(name, path);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, size, f), size);
    fclose(f);
}

/* The first half of a clip; an MP4 then lacks its index. */
static void cut_file(const char *from, const char *to)
{
    static uint8_t data[1 << 20];
    char path[256];
    path_of(from, path);
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    size_t size = fread(data, 1, sizeof(data), f);
    fclose(f);
    write_file(to, data, size / 2);
}

static void refuses_bad_files(void **state)
{
    (void)state;
    uint8_t noise[4096];
    for (size_t i = 0; i < sizeof(noise); i++)
        noise[i] = (uint8_t)(i * 7919 >> 3);
    write_file("noise.mp4", noise, sizeof(noise));
    write_file("empty.mp4", noise, 0);
    cut_file("plain.mp4", "cut.mp4");
    write_file("text.srt", "1\n00:00:00,000 --> 00:00:01,000\nhello\n", 39);
    static const struct {
        const char *name;
        int err;
        const char *reason;
    } cases[] = {
        {"missing.mp4", ERR_MEDIA_OPEN, "No such file"},
        {"noise.mp4", ERR_MEDIA_OPEN, ""},
        {"empty.mp4", ERR_MEDIA_OPEN, ""},
        {"cut.mp4", ERR_MEDIA_OPEN, ""},
        {"text.srt", ERR_NOT_FOUND, "neither"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        char path[256];
        path_of(cases[i].name, path);
        struct media_source_config config = media_source_config_default(path);
        struct media_source *source = NULL;
        struct media_error error;
        int err = media_source_open(&config, &source, &error);
        if (err != cases[i].err || strstr(error.text, cases[i].name) == NULL ||
            strstr(error.text, cases[i].reason) == NULL)
            fail_msg("%s: %d \"%s\"", cases[i].name, err, error.text);
        assert_null(source);
    }
}

/* A file that breaks on the way: what was good is delivered, then it says where it broke. */
static void survives_damage(void **state)
{
    (void)state;
    cut_file("clip.webm", "cut.webm");
    char path[256];
    path_of("cut.webm", path);
    struct media_source_config config = media_source_config_default(path);
    struct media_source *source = NULL;
    struct media_error error;
    struct seen seen;
    assert_int_equal(media_source_open(&config, &source, &error), 0);
    int result = read_frames(source, MONO_NEVER, &seen, &error);
    assert_int_equal(result, ERR_MEDIA_OPEN);
    assert_non_null(strstr(error.text, "cut.webm"));
    assert_non_null(strstr(error.text, "of 2.0 s"));
    assert_in_range(seen.video, 5, 45);
    media_source_close(source);
}

/* One picture is a stream that does not end. */
static void shows_a_still_picture(void **state)
{
    (void)state;
    char path[256];
    make_clip("still.png", "-f lavfi -i testsrc=size=320x240:rate=1:duration=1 -frames:v 1");
    path_of("still.png", path);
    struct media_source_config config = media_source_config_default(path);
    struct media_source *source = NULL;
    struct media_error error;
    struct media_info info;
    struct seen seen;
    assert_int_equal(media_source_open(&config, &source, &error), 0);
    media_source_info(source, &info);
    assert_true(info.is_still);
    assert_false(info.has_audio);
    assert_int_equal(read_frames(source, MONO_S(3), &seen, &error), 1);
    assert_in_range(seen.video, 30, 120);
    assert_true(seen.is_ordered);
    media_source_close(source);
}

static void feeds_ahead_of_the_taker(void **state)
{
    (void)state;
    char path[256];
    path_of("nine.mkv", path);
    struct media_source_config config = media_source_config_default(path);
    struct media_source *source = NULL;
    struct media_feed *feed = NULL;
    struct media_error error;
    struct media_frame f;
    unsigned counts[2] = {0};
    assert_int_equal(media_source_open(&config, &source, &error), 0);
    assert_int_equal(media_feed_start(source, &feed), 0);
    mono_us deadline = mono_now() + MONO_S(20);
    while (media_feed_state(feed, &error) == 0 && mono_now() < deadline) {
        bool has_any = false;
        for (int kind = 0; kind < 2; kind++) {
            if (!media_feed_take(feed, (enum rtp_kind)kind, &f))
                continue;
            has_any = true;
            counts[kind]++;
            assert_int_equal(f.kind, kind);
            media_frame_fini(&f);
        }
        if (!has_any)
            nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
    }
    assert_int_equal(media_feed_state(feed, &error), 1);
    assert_in_range(counts[RTP_KIND_AUDIO], 98, 104);
    assert_in_range(counts[RTP_KIND_VIDEO], 49, 51);
    media_feed_stop(feed);
}

/* Nobody takes; stopping must not hang and must free what waits. */
static void stops_while_reading(void **state)
{
    (void)state;
    char path[256];
    path_of("clip.webm", path);
    struct media_source_config config = media_source_config_default(path);
    config.is_looping = true;
    struct media_source *source = NULL;
    struct media_feed *feed = NULL;
    struct media_error error;
    assert_int_equal(media_source_open(&config, &source, &error), 0);
    assert_int_equal(media_feed_start(source, &feed), 0);
    nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
    mono_us before = mono_now();
    media_feed_stop(feed);
    assert_true(mono_now() - before < MONO_S(2));
}

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) != NULL ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof(command), "rm -rf %s", folder);
    return system(command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_usual_clips),
        cmocka_unit_test(loops_without_a_seam),
        cmocka_unit_test(makes_keyframes_on_demand),
        cmocka_unit_test(scales_large_pictures_down),
        cmocka_unit_test(encodes_what_should_not_pass),
        cmocka_unit_test(passes_long_clips),
        cmocka_unit_test(leaves_out_pictures_when_slow),
        cmocka_unit_test(skips_to_a_keyframe_when_very_late),
        cmocka_unit_test(keeps_up_however_slow),
        cmocka_unit_test(refuses_bad_files),
        cmocka_unit_test(survives_damage),
        cmocka_unit_test(shows_a_still_picture),
        cmocka_unit_test(feeds_ahead_of_the_taker),
        cmocka_unit_test(stops_while_reading),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
