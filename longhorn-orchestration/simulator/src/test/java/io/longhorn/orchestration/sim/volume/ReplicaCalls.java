package io.longhorn.orchestration.sim.volume;

import io.longhorn.api.ReplicaId;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.SortedSet;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.Consumer;
import java.util.function.Supplier;

/** Control frames of an engine to its replicas that have no answer yet. */
final class ReplicaCalls {
  private record Call(ReplicaId replica, Consumer<SimFrame> answered, Runnable lost) {}

  private final SimEngine engine;
  private final TreeMap<Long, Call> calls = new TreeMap<>();

  ReplicaCalls(SimEngine engine) {
    this.engine = engine;
  }

  /**
   * Asks one.
   *
   * @param answered told of an answer that is no refusal: who refuses has failed
   * @param lost told instead if there will be none
   */
  void ask(ReplicaId replica, SimFrame frame, Consumer<SimFrame> answered, Runnable lost) {
    calls.put(frame.sequence(), new Call(replica, answered, lost));
    // Whoever waits for a link that is never up would not be told; the real engine refuses too.
    if (engine.portOf(replica).filter(port -> port.isLinked() && port.send(frame, 0)).isEmpty()) {
      calls.remove(frame.sequence());
      lost.run();
    }
  }

  /** Asks some; tells once whether all of them have answered. */
  void askAll(Collection<ReplicaId> replicas, Supplier<SimFrame> frame, Consumer<Boolean> done) {
    SortedSet<ReplicaId> awaited = new TreeSet<>(replicas);
    boolean[] isOneLost = new boolean[1];
    for (ReplicaId id : replicas) {
      Runnable ended =
          () -> {
            awaited.remove(id);
            if (awaited.isEmpty()) {
              done.accept(!isOneLost[0]);
            }
          };
      ask(
          id,
          frame.get(),
          _ -> ended.run(),
          () -> {
            isOneLost[0] = true;
            ended.run();
          });
    }
  }

  /** A frame was answered; whether it was one of these. */
  boolean answered(SimFrame reply) {
    Call call = calls.remove(reply.sequence());
    if (call != null) {
      call.answered.accept(reply);
    }
    return call != null;
  }

  /** The link of one is gone, and what was sent on it. */
  void broke(ReplicaId replica) {
    end(
        List.copyOf(calls.entrySet()).stream()
            .filter(call -> call.getValue().replica.equals(replica))
            .map(Map.Entry::getKey)
            .toList());
  }

  /** Nobody waits for answers any more. */
  void generationEnds() {
    end(List.copyOf(calls.keySet()));
  }

  private void end(List<Long> numbers) {
    for (long number : numbers) {
      Call call = calls.remove(number);
      if (call != null) {
        call.lost.run();
      }
    }
  }
}
