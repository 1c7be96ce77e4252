package io.longhorn.orchestration.execution;

import io.longhorn.api.EngineId;
import io.longhorn.api.ReplicaId;
import io.longhorn.api.ReplicaMode;
import io.longhorn.api.VolumeName;
import io.longhorn.api.wire.EngineStatus;
import io.longhorn.api.wire.FieldReader;
import io.longhorn.api.wire.FrameType;
import io.longhorn.orchestration.call.CallAddress;
import io.longhorn.orchestration.call.CallHandler;
import io.longhorn.orchestration.call.CallServer;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.locks.LockSupport;

/** A process that is asked as an engine is, and has no data. Ends with its parent. */
final class SilentEngine {
  private SilentEngine() {}

  public static void main(String[] words) throws IOException {
    List<EngineStatus.Replica> replicas = new ArrayList<>();
    String control = "";
    for (int i = 0; i + 1 < words.length; i++) {
      if (words[i].equals("--control")) {
        control = words[i + 1];
      }
      if (words[i].equals("--replica")) {
        ReplicaId id = ReplicaId.parse(words[i + 1].substring(0, words[i + 1].indexOf('@')));
        replicas.add(new EngineStatus.Replica(id, ReplicaMode.RW, "", 0, 0));
      }
    }
    EngineStatus status =
        new EngineStatus(
            1,
            new VolumeName("v"),
            new EngineId(UUID.randomUUID()),
            ProcessHandle.current().pid(),
            1,
            true,
            "open",
            1 << 20,
            0,
            List.of("nbd://nowhere"),
            Optional.empty(),
            replicas);
    try (CallServer _ = CallServer.open(CallAddress.parse(control), answer(status))) {
      System.out.println("serving nbd://nowhere");
      while (System.in.read() >= 0) {
        // Its parent says nothing, and then that it is gone.
      }
    }
    System.exit(0);
  }

  private static CallHandler answer(EngineStatus status) {
    return (FrameType type, FieldReader request) -> {
      EngineStatus.Query query = EngineStatus.Query.read(request);
      if (query.seenRevision() == status.revision()) {
        LockSupport.parkNanos(query.waitMillis() * 1_000_000L);
      }
      return status.write().toBytes();
    };
  }
}
