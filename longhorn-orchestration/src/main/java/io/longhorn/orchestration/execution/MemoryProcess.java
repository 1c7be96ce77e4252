package io.longhorn.orchestration.execution;

import io.longhorn.api.ReplicaId;
import io.longhorn.orchestration.decision.ManagerSeen;
import java.util.Optional;
import java.util.UUID;
import org.jspecify.annotations.Nullable;

/** What stands for a process: of a replica, of an engine, or one that only does something once. */
final class MemoryProcess {
  final String name;
  final String uuid = UUID.randomUUID().toString();

  /** Another one when another process takes over under the same name. */
  long pid;

  private ManagerSeen.State state = ManagerSeen.State.RUNNING;
  private String message = "";

  /** Of a replica: which one, and where its directory is. */
  @Nullable ReplicaId replica;

  String directory = "";

  /** Of a replica: whether it serves without its directory. */
  boolean isStandby;

  /** Of an engine. */
  @Nullable MemoryEngine engine;

  MemoryProcess(String name, long pid) {
    this.name = name;
    this.pid = pid;
  }

  boolean isRunning() {
    return state == ManagerSeen.State.RUNNING;
  }

  /** It ends by itself, or is made to: there is a message only if that was nobody's wish. */
  void end(String why) {
    if (isRunning()) {
      state = why.isEmpty() ? ManagerSeen.State.STOPPED : ManagerSeen.State.ERROR;
      message = why;
    }
  }

  Optional<MemoryEngine> engine() {
    return Optional.ofNullable(engine);
  }

  ManagerSeen.Instance seen() {
    return new ManagerSeen.Instance(state, uuid, isRunning() ? pid : 0, message, isStandby);
  }
}
