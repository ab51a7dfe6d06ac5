/*
 * Makes LEDs that exist only in the kernel's LED class (/dev/uleds) and writes down every change of
 * their brightness with the time of it. One thread, in the guest of an image test; needs uleds.ko.
 *
 *   led-recorder FILE NAME...
 *
 * FILE gets one line for each change, in the order of the changes:
 *
 *   SECONDS.MICROSECONDS NAME BRIGHTNESS
 *
 * where the time is CLOCK_MONOTONIC and the brightness is 0..255. The first line of each LED tells
 * when it was made. Goes into the background when all LEDs are there; exit status 1 after a message
 * when the kernel has no /dev/uleds or refuses a name. The LEDs vanish with the process.
 *
 * Each change is stamped when this process has read it, not when the kernel made it: on an emulated
 * processor that is a few milliseconds later, and two changes within that time are read as one.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <linux/uleds.h>

enum { MOST_LEDS = 32, MAX_BRIGHTNESS = 255 };

static void record(FILE *out, const char *name, int brightness) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  fprintf(out, "%lld.%06ld %s %d\n", (long long)now.tv_sec, now.tv_nsec / 1000, name, brightness);
}

static int make_led(const char *name) {
  struct uleds_user_dev device = {.max_brightness = MAX_BRIGHTNESS};
  if (strlen(name) >= sizeof device.name) {
    fprintf(stderr, "led-recorder: the name %s is too long\n", name);
    exit(1);
  }
  strcpy(device.name, name);
  const int fd = open("/dev/uleds", O_RDWR | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) {
    fprintf(stderr, "led-recorder: /dev/uleds: %s\n", strerror(errno));
    exit(1);
  }
  if (write(fd, &device, sizeof device) != (ssize_t)sizeof device) {
    fprintf(stderr, "led-recorder: LED %s: %s\n", name, strerror(errno));
    exit(1);
  }
  return fd;
}

int main(int argc, char **argv) {
  const int count = argc - 2;
  if (count < 1 || count > MOST_LEDS) {
    fprintf(stderr, "usage: led-recorder FILE NAME... (at most %d names)\n", MOST_LEDS);
    return 2;
  }
  FILE *out = fopen(argv[1], "ae");
  if (out == NULL) {
    fprintf(stderr, "led-recorder: %s: %s\n", argv[1], strerror(errno));
    return 1;
  }
  struct pollfd leds[MOST_LEDS];
  for (int i = 0; i < count; i += 1) {
    leds[i] = (struct pollfd){.fd = make_led(argv[i + 2]), .events = POLLIN};
    record(out, argv[i + 2], 0);
  }
  if (fflush(out) != 0 || daemon(0, 0) != 0) {
    perror("led-recorder: going into the background");
    return 1;
  }
  /* Ahead of all else that is runnable: the stamps shall tell of the LEDs, not of the load. */
  const struct sched_param first = {.sched_priority = 20};
  if (sched_setscheduler(0, SCHED_FIFO, &first) != 0) return 1;

  for (;;) {
    fflush(out);
    if (poll(leds, (nfds_t)count, -1) < 0 && errno != EINTR) return 1;
    for (int i = 0; i < count; i += 1) {
      int brightness;
      if ((leds[i].revents & POLLIN) == 0) continue;
      if (read(leds[i].fd, &brightness, sizeof brightness) == (ssize_t)sizeof brightness)
        record(out, argv[i + 2], brightness);
    }
  }
}
