package io.longhorn.orchestration.execution;

import io.longhorn.orchestration.decision.ManagerSeen;
import io.longhorn.orchestration.decision.ManagerSeen.Reach;
import java.util.HashSet;
import java.util.Set;
import java.util.TreeMap;

/** What stands for an instance manager, and has its processes. */
final class MemoryHost {
  final String name;
  final String node;

  /** By name. */
  final TreeMap<String, MemoryProcess> processes = new TreeMap<>();

  /** Creations of directories that were forgotten: another one would be late. */
  final Set<String> done = new HashSet<>();

  /** 0 while it does not run. */
  long pid;

  /** Whether nobody can talk to it; what it has goes on. */
  boolean isCutOff;

  MemoryHost(String name, String node) {
    this.name = name;
    this.node = node;
  }

  /** Its process ends, and with it all it had started. */
  void end() {
    pid = 0;
    isCutOff = false;
    processes.values().forEach(process -> process.end("its instance manager is gone"));
    processes.clear();
    done.clear();
  }

  ManagerSeen seen() {
    TreeMap<String, ManagerSeen.Instance> instances = new TreeMap<>();
    processes.forEach((name, process) -> instances.put(name, process.seen()));
    return new ManagerSeen(reach(), pid, instances);
  }

  private Reach reach() {
    if (pid == 0) {
      return Reach.GONE;
    }
    return isCutOff ? Reach.UNREACHABLE : Reach.CONNECTED;
  }
}
