/* Shift the wall clock of a process and its children by GRADUS_CLOCK_OFFSET seconds; leave the monotonic clock alone.

   Loaded by LD_PRELOAD. libfaketime 0.9.10 breaks Python's time.sleep when it leaves the monotonic clock alone, and
   Python's timed waits when it does not. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>

#define NEXT(name) __typeof__(name) *next = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)

static time_t offset;

__attribute__((constructor)) static void read_offset(void) {
    const char *text = getenv("GRADUS_CLOCK_OFFSET");
    offset = text ? atoll(text) : 0;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    static __typeof__(clock_gettime) *next;
    if (!next) next = (__typeof__(clock_gettime) *)dlsym(RTLD_NEXT, "clock_gettime");
    int code = next(clock, now);
    if (code == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) now->tv_sec += offset;
    return code;
}

int gettimeofday(struct timeval *now, void *zone) {
    (void)zone;
    struct timespec found;
    int code = clock_gettime(CLOCK_REALTIME, &found);
    now->tv_sec = found.tv_sec;
    now->tv_usec = found.tv_nsec / 1000;
    return code;
}

time_t time(time_t *result) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (result) *result = now.tv_sec;
    return now.tv_sec;
}

int timespec_get(struct timespec *now, int base) {
    return base == TIME_UTC && clock_gettime(CLOCK_REALTIME, now) == 0 ? base : 0;
}

/* Deadlines on the wall clock go to the kernel, which knows the true one. Those on the monotonic clock, which some
   of these calls take too, count from the start of the machine and are far smaller. */
static struct timespec true_deadline(const struct timespec *deadline) {
    struct timespec found = *deadline;
    if (found.tv_sec > 1000000000) found.tv_sec -= offset;
    return found;
}

int pthread_cond_timedwait(pthread_cond_t *condition, pthread_mutex_t *mutex, const struct timespec *deadline) {
    NEXT(pthread_cond_timedwait);
    struct timespec found = true_deadline(deadline);
    return next(condition, mutex, &found);
}

int pthread_cond_clockwait(pthread_cond_t *condition, pthread_mutex_t *mutex, clockid_t clock,
                           const struct timespec *deadline) {
    NEXT(pthread_cond_clockwait);
    struct timespec found = true_deadline(deadline);
    return next(condition, mutex, clock, &found);
}

int pthread_mutex_timedlock(pthread_mutex_t *mutex, const struct timespec *deadline) {
    NEXT(pthread_mutex_timedlock);
    struct timespec found = true_deadline(deadline);
    return next(mutex, &found);
}

int sem_timedwait(sem_t *semaphore, const struct timespec *deadline) {
    NEXT(sem_timedwait);
    struct timespec found = true_deadline(deadline);
    return next(semaphore, &found);
}

int sem_clockwait(sem_t *semaphore, clockid_t clock, const struct timespec *deadline) {
    NEXT(sem_clockwait);
    struct timespec found = true_deadline(deadline);
    return next(semaphore, clock, &found);
}
