// The `main` of mesos-containerizer: `mesos-containerizer launch`, as libmesos 1.11.0 implements it. The library comes
// without headers, so what is called of it is bound by its mangled name.
#include <cstdio>
#include <cstring>
#include <string>

// stout's Option<std::string>: its state is 0 for SOME, 1 for NONE.
struct OptionString {
  int state;
  std::string value;
};

// Room for stout's Try<flags::Warnings>. The destructor makes it a type that is returned in memory, as that one is.
struct Loaded {
  char bytes[1024];
  ~Loaded() {}
};

extern "C" {
void launch_flags(void*) asm("_ZN5mesos8internal5slave24MesosContainerizerLaunch5FlagsC1Ev");
Loaded load(void*, const OptionString& prefix, int, const char* const*, bool unknowns, bool duplicates)
    asm("_ZN5flags9FlagsBase4loadERK6OptionINSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEEEEiPKPKcbb");
int execute(void*) asm("_ZN5mesos8internal5slave24MesosContainerizerLaunch7executeEv");
}

// MesosContainerizerLaunch as the compiler laid it out for x86-64: where its flags are, and their base FlagsBase.
const size_t flags_at = 0xe0;
const size_t flags_base_at = flags_at + 0x88;
alignas(64) static char launch[16384];

int main(int argc, char** argv) {
  if (argc < 2 || strcmp(argv[1], "launch")) {
    fprintf(stderr, "mesos-containerizer: only 'launch' is here\n");
    return 1;
  }
  launch_flags(launch + flags_at);
  Loaded loaded = load(launch + flags_base_at, {0, "MESOS_CONTAINERIZER_"}, argc - 1, argv + 1, false, false);
  (void)loaded;
  return execute(launch);
}
