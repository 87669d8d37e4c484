/* Holds a pod's namespaces: waits for signals and collects orphans. */
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static void down(int signal) { (void)signal; exit(0); }
static void reap(int signal) {
  (void)signal;
  while (waitpid(-1, 0, WNOHANG) > 0) {}
}

int main(void) {
  signal(SIGTERM, down);
  signal(SIGINT, down);
  signal(SIGCHLD, reap);
  for (;;) pause();
}
