// Starts the master and the agent that libmesos 1.11.0 holds, in this one process, and prints "ready" when a framework
// can register. The library comes without headers, so what is called of it is bound by its mangled name.
#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <unistd.h>

static std::atomic<bool> is_registered{false};

// The virtual functions of mesos::Scheduler, in its order.
struct Scheduler {
  virtual ~Scheduler() {}
  virtual void registered(void*, const void*, const void*) { is_registered = true; }
  virtual void reregistered(void*, const void*) {}
  virtual void disconnected(void*) {}
  virtual void resourceOffers(void*, const void*) {}
  virtual void offerRescinded(void*, const void*) {}
  virtual void statusUpdate(void*, const void*) {}
  virtual void frameworkMessage(void*, const void*, const void*, const std::string&) {}
  virtual void slaveLost(void*, const void*) {}
  virtual void executorLost(void*, const void*, const void*, int) {}
  virtual void error(void*, const std::string& message) {
    fprintf(stderr, "error: %s\n", message.c_str());
    exit(1);
  }
};

// stout's Option<std::string>: its state is 0 for SOME, 1 for NONE.
struct OptionString {
  int state;
  std::string value;
};

extern "C" {
void framework_info(void*) asm("_ZN5mesos13FrameworkInfoC1Ev");
bool parse(void*, const std::string&)
    asm("_ZN6google8protobuf11MessageLite15ParseFromStringERKNSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEEE");
void driver(void*, Scheduler*, const void*, const std::string&)
    asm("_ZN5mesos20MesosSchedulerDriverC1EPNS_9SchedulerERKNS_13FrameworkInfoERKNSt7__cxx1112basic_stringIcSt11char_"
        "traitsIcESaIcEEE");
int driver_start(void*) asm("_ZN5mesos20MesosSchedulerDriver5startEv");
int driver_stop(void*, bool failover) asm("_ZN5mesos20MesosSchedulerDriver4stopEb");
bool process_initialize(const OptionString& delegate, const OptionString& readwrite, const OptionString& readonly)
    asm("_ZN7process10initializeERK6OptionINSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEEEES9_S9_");
}

// Room for the library's objects, which are smaller.
alignas(64) static char framework_object[8192], driver_object[8192];

// Usage: mesos-local [master]
int main(int argc, char** argv) {
  // Requests without a process name, /api/v1 and /state, are the agent's, as they are on a real one; or the master's, as
  // they are on its own port, for schedulers that know no other path.
  process_initialize({0, argc > 1 ? argv[1] : "slave(1)"}, {0, "mesos-agent-readwrite"}, {0, "mesos-agent-readonly"});

  // A scheduler driver whose master is called "local" starts a master and an agent in its own process (Mesos:
  // src/local/local.cpp). They stay when it has stopped.
  framework_info(framework_object);
  parse(framework_object, std::string("\x0a\x04root\x12\x09" "bootstrap"));  // FrameworkInfo{user, name}
  driver(driver_object, new Scheduler, framework_object, "local");
  driver_start(driver_object);
  while (!is_registered) usleep(10000);
  driver_stop(driver_object, false);
  puts("ready");
  fflush(stdout);
  for (;;) pause();
}
