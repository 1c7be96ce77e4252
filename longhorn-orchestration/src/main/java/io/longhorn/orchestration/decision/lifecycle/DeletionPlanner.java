package io.longhorn.orchestration.decision.lifecycle;

import io.longhorn.api.cluster.Engine;
import io.longhorn.api.cluster.InstanceManager;
import io.longhorn.api.cluster.ObjectKey;
import io.longhorn.api.cluster.ObjectKind;
import io.longhorn.api.cluster.Replica;
import io.longhorn.api.cluster.Volume;
import io.longhorn.api.cluster.Volume.State;
import io.longhorn.orchestration.decision.Draft;
import io.longhorn.orchestration.decision.Names;
import io.longhorn.orchestration.decision.replica.RemovalRule;
import java.util.Optional;

/**
 * The end of a volume (7.1/18): when it is closed, its replicas go with their directories, then its
 * engines, then what else is named as it is, and last itself: as long as it is there, whatever was
 * cut off goes on.
 */
public final class DeletionPlanner {
  private DeletionPlanner() {}

  /** The next step of a deletion that was asked for. */
  public static void plan(Draft draft, Volume volume) {
    State state = volume.status().state();
    // Rule 7.1/18: closed first, whatever it was doing.
    if (!volume.isDeleted() || (state != State.DETACHED && state != State.DELETING)) {
      return;
    }
    draft.put(volume.with(volume.status().with(State.DELETING, "")));
    boolean isDone = true;
    for (Replica replica : draft.replicasOf(volume)) {
      if (!RemovalRule.remove(draft, volume, replica)) {
        isDone = false;
        waits(draft, volume, replica.name() + " on " + replica.spec().nodeID() + " is not deleted");
      }
    }
    Optional<InstanceManager> left =
        draft.managersWith(volume.name()).stream()
            .filter(manager ->
                draft.processesOf(volume.name(), manager).values().stream()
                    .anyMatch(process -> !process.isOver()))
            .findFirst();
    if (isDone && left.isPresent()) {
      isDone = false;
      waits(draft, volume, left.get().name() + " still has a process of it");
    }
    Optional<Engine> unseen =
        draft.enginesOf(volume.name()).stream()
            .filter(engine -> engine.status().instance().mayRun())
            .findFirst();
    if (isDone && unseen.isPresent()) {
      // Fenced on a node that is down, and nobody has looked at that one since this began.
      isDone = false;
      Engine engine = unseen.get();
      waits(draft, volume, engine.name() + " on " + engine.spec().nodeID() + " may still run");
    }
    if (isDone) {
      for (Engine engine : draft.enginesOf(volume.name())) {
        draft.remove(engine.key());
      }
      draft.remove(new ObjectKey(ObjectKind.VOLUME_ATTACHMENT, volume.name()));
      draft.remove(new ObjectKey(ObjectKind.MEMBERSHIP, volume.name()));
      draft.remove(volume.key());
      draft.tell(volume, false, "Deleted", "volume " + volume.name() + " is deleted");
    }
  }

  private static void waits(Draft draft, Volume volume, String message) {
    draft.waits(volume, Names.WAITING, "7.1/18", message);
  }
}
