package io.longhorn.engine.volume;

import io.longhorn.api.ReplicaId;
import io.longhorn.api.ReplicaMode;
import io.longhorn.engine.VolumeStatus;
import io.longhorn.engine.membership.MembershipState;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** Puts a volume's status together from its parts. Loop thread. */
final class StatusView {
  private StatusView() {}

  static VolumeStatus starting(VolumeConfig config) {
    return new VolumeStatus(config.name(), 0, false, 0, "starting", 0, Optional.empty(), List.of());
  }

  static VolumeStatus over(VolumeStatus last, String why) {
    return new VolumeStatus(
        last.name(),
        last.sizeBytes(),
        false,
        last.generation(),
        why,
        last.unreconciledRegions(),
        Optional.empty(),
        last.replicas());
  }

  static VolumeStatus of(VolumeEngine volume, @Nullable Upkeep upkeep) {
    List<VolumeStatus.Replica> replicas = new ArrayList<>();
    int readable = volume.membership().readableMask();
    for (MemberSession session : volume.sessions()) {
      long resync = upkeep == null ? 0 : upkeep.resyncBytes(session.id());
      String reason = volume.outReason(session.id()).orElse("");
      if ((readable & (1 << session.slot())) != 0) {
        replicas.add(new VolumeStatus.Replica(session.id(), ReplicaMode.RW, "", 1000, resync));
      } else if (upkeep != null
          && upkeep.returning(session.id()).filter(ReturningReplica::isReceiving).isPresent()) {
        int progress =
            upkeep.returning(session.id()).map(ReturningReplica::progressPermille).orElse(0);
        replicas.add(
            new VolumeStatus.Replica(session.id(), ReplicaMode.WO, "resync", progress, resync));
      } else {
        replicas.add(
            new VolumeStatus.Replica(
                session.id(),
                ReplicaMode.ERR,
                reason.isEmpty() ? (session.isUp() ? "connected" : "not connected") : reason,
                0,
                resync));
      }
    }
    String state =
        switch (volume.membership().state()) {
          case MembershipState.Looking looking -> looking.why();
          case MembershipState.Opening opening -> "opening with generation " + opening.generation();
          case MembershipState.Open open ->
              open.isServing()
                  ? "open" + storeTrouble(volume)
                  : "open, waiting for the read window of another engine to end";
          case MembershipState.Deposed deposed -> "deposed by generation " + deposed.byGeneration();
        };
    return new VolumeStatus(
        volume.config().name(),
        upkeep == null ? 0 : volume.core().sizeBytes(),
        volume.membership().isServing() && upkeep != null,
        volume.membership().generation(),
        state,
        upkeep == null ? 0 : upkeep.unreconciledRegions(),
        heldReason(volume),
        replicas);
  }

  private static String storeTrouble(VolumeEngine volume) {
    String trouble = volume.membership().storeTrouble();
    return trouble.isEmpty() ? "" : "; the store does not answer: " + trouble;
  }

  /** Empty while requests do not wait, or nobody has been promised an answer yet. */
  private static Optional<String> heldReason(VolumeEngine volume) {
    return switch (volume.membership().state()) {
      case MembershipState.Looking looking when looking.isHeld() -> Optional.of(looking.why());
      case MembershipState.Opening opening when opening.isHeld() ->
          Optional.of("opening again with generation " + opening.generation());
      case MembershipState.Open open when open.isChanging() -> {
        List<ReplicaId> gone =
            open.required().stream().filter(id -> !volume.session(id).isUp()).toList();
        yield gone.isEmpty()
            ? Optional.empty()
            : Optional.of(
                "an in-sync set without " + gone + " is not recorded yet" + storeTrouble(volume));
      }
      case MembershipState.Looking _,
          MembershipState.Opening _,
          MembershipState.Open _,
          MembershipState.Deposed _ ->
          Optional.empty();
    };
  }
}
