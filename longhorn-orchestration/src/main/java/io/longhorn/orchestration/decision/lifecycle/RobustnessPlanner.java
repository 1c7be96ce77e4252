package io.longhorn.orchestration.decision.lifecycle;

import io.longhorn.api.ReplicaMode;
import io.longhorn.api.cluster.Engine;
import io.longhorn.api.cluster.InstanceView;
import io.longhorn.api.cluster.Replica;
import io.longhorn.api.cluster.Volume;
import io.longhorn.api.cluster.Volume.Robustness;
import io.longhorn.api.cluster.Volume.State;
import io.longhorn.orchestration.decision.Draft;
import io.longhorn.orchestration.decision.Names;
import io.longhorn.orchestration.decision.replica.ReplicaRule;
import io.longhorn.orchestration.decision.volume.MigrationEnd;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * How the data of a volume is (section 7.2), as the engine sees it that owns the generation: the
 * one through which a guest writes, whichever the volume's own is. Faulted is what makes a volume
 * detach (A1), so this is where invariant I9 is decided: doubt about the owner, for as long as it
 * may last, is never a fault.
 *
 * <p>One that is attached and has no replica in sync is not faulted either: its engine holds what
 * is written until one is back, and to detach it would help nobody. Nor is one on the way there
 * whose engine has taken it.
 */
public final class RobustnessPlanner {
  private final Draft draft;
  private final Volume volume;

  private RobustnessPlanner(Draft draft, Volume volume) {
    this.draft = draft;
    this.volume = volume;
  }

  /** How it is now. */
  public static void plan(Draft draft, Volume volume) {
    new RobustnessPlanner(draft, volume).plan();
  }

  private void plan() {
    Robustness before = volume.status().robustness();
    Optional<Engine> owner = decisive();
    Robustness now = owner.map(this::robustness).orElse(before);
    if (now != before) {
      owner.ifPresent(engine -> tell(now, engine));
      draft.put(volume.with(volume.status().with(now, draft.nowMillis())));
    }
    owner.ifPresent(this::tellWhoServes);
  }

  /**
   * The engine that decides how the volume is: the one that owns the generation; once a migration
   * is decided, the one that is to stay.
   */
  private Optional<Engine> decisive() {
    boolean isEnding =
        volume.spec().migrationNodeID().isEmpty()
            && !volume.status().currentMigrationNodeID().isEmpty();
    return (isEnding ? MigrationEnd.winner(draft, volume) : draft.ownerOf(volume))
        .or(() -> draft.engineOf(volume));
  }

  private Robustness robustness(Engine owner) {
    boolean isWanted = !volume.spec().nodeID().isEmpty();
    return switch (volume.status().state()) {
      case ATTACHED -> isWanted ? attached(owner) : closing(volume.status().robustness());
      case ATTACHING -> isWanted ? attaching(owner) : closing(volume.status().robustness());
      case DETACHING, DETACHED, CREATING, DELETING -> closing(volume.status().robustness());
    };
  }

  /** What is not attached is unknown; what is faulted stays so until it can be used again. */
  static Robustness closing(Robustness before) {
    // Rule 7.2/6: nobody can say of what nobody serves.
    return before == Robustness.FAULTED ? Robustness.FAULTED : Robustness.UNKNOWN;
  }

  private Robustness attached(Engine owner) {
    return switch (owner.status().instance().currentState()) {
      // Rule 7.2/5: it has run, and does not any more; that is certain.
      case ERROR ->
          owner.status().instance().isStarted() ? Robustness.FAULTED : volume.status().robustness();
      // Rule 7.2/1, 8/2: it may serve all the time; nothing is done about it (I9).
      case UNKNOWN -> Robustness.UNKNOWN;
      case RUNNING -> served(owner).orElse(volume.status().robustness());
      // Rule 7.2/5: it was told to stop by a plan that was cut off before it said that the volume
      // is being detached. What has it mounted has lost it, as after a crash.
      case STOPPED -> owner.spec().isWanted() ? volume.status().robustness() : Robustness.FAULTED;
      case STARTING, STOPPING -> volume.status().robustness();
    };
  }

  private Robustness attaching(Engine owner) {
    InstanceView instance = owner.status().instance();
    if (instance.currentState() == InstanceView.State.ERROR && instance.isStarted()) {
      // Rule 7.2/5.
      return Robustness.FAULTED;
    }
    if (!ReplicaRule.mayBeServed(draft, volume) && !hasSource(draft, volume)) {
      // Rule 7.2/4: none of those that have the newest data is left to begin with. I9: an engine
      // that has taken the volume has begun, and may serve from one that is thought lost.
      return Robustness.FAULTED;
    }
    return instance.currentState() == InstanceView.State.RUNNING
        ? served(owner).filter(_ -> owner.status().inSync() > 0).orElse(Robustness.UNKNOWN)
        : Robustness.UNKNOWN;
  }

  /** What an engine says that runs; empty if it has not said anything of a replica yet. */
  private Optional<Robustness> served(Engine owner) {
    if (ReplicaRule.said(draft, volume, owner).isEmpty()) {
      return Optional.empty();
    }
    // Rule 7.2/2: as many as wanted. Rule 7.2/3: fewer.
    return Optional.of(
        owner.status().inSync() >= volume.spec().numberOfReplicas()
            ? Robustness.HEALTHY
            : Robustness.DEGRADED);
  }

  /**
   * Whether there is one with the newest data to begin with: a replica that has not failed and is
   * in the newest record. Where no record is known, one that has not failed.
   */
  static boolean hasSource(Draft draft, Volume volume) {
    boolean isRecorded = draft.membershipOf(volume).isPresent();
    return draft.activeReplicasOf(volume).stream()
        .filter(replica -> !replica.spec().health().isFailed())
        .anyMatch(replica -> !isRecorded || ReplicaRule.isMember(draft, volume, replica));
  }

  // ---- for people -------------------------------------------------------------------------------

  private void tell(Robustness now, Engine owner) {
    String name = "volume " + volume.name();
    switch (now) {
      case HEALTHY -> draft.tell(volume, false, "Healthy", name + " is healthy");
      case DEGRADED ->
          draft.tell(volume, true, "Degraded", name + " is degraded: " + missing(owner));
      case UNKNOWN -> {
        if (volume.status().state() == State.ATTACHED && !volume.spec().nodeID().isEmpty()) {
          draft.tell(
              volume,
              true,
              "Unknown",
              name + " cannot be judged: " + owner.status().instance().message());
        }
      }
      case FAULTED -> {
        boolean isCrash = owner.status().instance().currentState() == InstanceView.State.ERROR;
        draft.tell(
            volume,
            true,
            isCrash ? "DetachedUnexpectedly" : "Faulted",
            isCrash
                ? "the engine of " + name + " is gone: " + owner.status().instance().message()
                : "no replica of " + name + " that has its newest data can be used");
      }
    }
  }

  /** Who is not in sync, and why. */
  private String missing(Engine owner) {
    List<String> out = new ArrayList<>();
    for (Replica replica : draft.activeReplicasOf(volume)) {
      Engine.Member member = owner.status().replicas().get(replica.spec().id());
      if (member == null || member.mode() != ReplicaMode.RW) {
        out.add(replica.name() + (member == null ? "" : " (" + member.reason() + ")"));
      }
    }
    return String.join(", ", out);
  }

  /** The guest has moved, and the control plane has not heard of it: who is served by whom. */
  private void tellWhoServes(Engine owner) {
    Optional<Engine> own = draft.engineOf(volume).filter(one -> !one.name().equals(owner.name()));
    if (own.isPresent()
        && own.get().status().instance().currentState() == InstanceView.State.ERROR) {
      draft.waits(
          volume,
          Names.WAITING,
          "7.2/5",
          "engine "
              + own.get().name()
              + " on "
              + own.get().spec().nodeID()
              + " is gone; engine "
              + owner.name()
              + " on "
              + owner.spec().nodeID()
              + " owns the volume and serves it");
    }
  }
}
