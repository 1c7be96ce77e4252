package io.longhorn.engine.volume;

import io.longhorn.api.IoError;
import io.longhorn.api.membership.RecordStamp;
import io.longhorn.api.wire.FrameType;
import io.longhorn.api.wire.ReplicaInfo;
import io.longhorn.api.wire.SnapshotSpec;
import io.longhorn.engine.link.ControlFrame;
import io.longhorn.engine.membership.MembershipEvent;
import io.longhorn.engine.reconcile.RegionBits;
import io.longhorn.engine.reconcile.ReturnCore;
import io.longhorn.engine.reconcile.ReturnEffect;
import io.longhorn.engine.reconcile.ReturnEvent;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * One attempt of a replica to come back: carries out what {@link ReturnCore} says. Over when its
 * session ends. Loop thread.
 */
final class ReturningReplica {
  private static final Logger LOG = LoggerFactory.getLogger(ReturningReplica.class);

  private final VolumeEngine volume;
  private final Upkeep upkeep;
  private final MemberSession session;
  private final ReplicaInfo info;
  private @Nullable ReturnCore core;
  private boolean isReceiving;
  private boolean isOut;

  ReturningReplica(VolumeEngine volume, Upkeep upkeep, MemberSession session, ReplicaInfo info) {
    this.volume = volume;
    this.upkeep = upkeep;
    this.session = session;
    this.info = info;
  }

  MemberSession session() {
    return session;
  }

  ReplicaInfo info() {
    return info;
  }

  boolean isReceiving() {
    return isReceiving;
  }

  int progressPermille() {
    ReturnCore current = core;
    return current == null ? 0 : current.progressPermille();
  }

  /** Bytes that have to be compared, once that is known. */
  long resyncBytes() {
    ReturnCore current = core;
    return current == null ? 0 : current.totalBytes();
  }

  /** Begins when the volume is quiet enough; then gives it its share of bytes. */
  void tick() {
    if (isOut) {
      return;
    }
    if (core == null) {
      var record = volume.membership().record();
      if (record.isEmpty()) {
        return;
      }
      core =
          new ReturnCore(
              upkeep.regions(),
              info,
              upkeep.memberInfos(),
              record.get(),
              upkeep.lastEqualHead(session.id()));
      step(new ReturnEvent.Began());
      return;
    }
    long rate = volume.config().resyncBytesPerSecond();
    step(
        new ReturnEvent.Budget(
            rate == 0 ? Long.MAX_VALUE : Math.max(1, rate * VolumeEngine.TICK_MILLIS / 1000)));
  }

  private boolean isCurrent() {
    return upkeep
        .returning(session.id())
        .filter(current -> current.session.equals(session) && current.info.equals(info))
        .isPresent();
  }

  private void step(ReturnEvent event) {
    ReturnCore current = core;
    if (current == null || isOut || !isCurrent()) {
      return;
    }
    for (ReturnEffect effect : current.step(event)) {
      carryOut(effect);
    }
  }

  private void carryOut(ReturnEffect effect) {
    switch (effect) {
      case ReturnEffect.ReadLayers _ -> readLayers();
      case ReturnEffect.ReplaySnapshot(long operation, SnapshotSpec spec) ->
          ask(
              ControlFrame.ofOperation(FrameType.SNAPSHOT, operation, spec.write().toBytes()),
              new ReturnEvent.Replayed(operation));
      case ReturnEffect.Receive _ -> {
        isReceiving = true;
        volume.publishSets();
        step(new ReturnEvent.Receiving(upkeep.marks().marks(), upkeep.head()));
      }
      case ReturnEffect.ReadBits _ ->
          upkeep.readBits(session, bits -> step(new ReturnEvent.BitsRead(bits)));
      case ReturnEffect.Copy copy -> copy(copy);
      case ReturnEffect.MergeBits(RegionBits bits) ->
          ask(
              ControlFrame.ofRegions(
                  FrameType.INTENT_MERGE, 0, bits.count(), bits.toBytes(0, bits.count())),
              new ReturnEvent.Merged());
      case ReturnEffect.SetValidSince(RecordStamp stamp) ->
          ask(
              ControlFrame.of(FrameType.INTENT_VALID_SINCE, Upkeep.stampBytes(stamp)),
              new ReturnEvent.ValidSinceStored());
      case ReturnEffect.Flush _ -> ask(ControlFrame.of(FrameType.FLUSH), new ReturnEvent.Flushed());
      case ReturnEffect.MarkEqual _ ->
          ask(ControlFrame.of(FrameType.MARK_EQUAL), new ReturnEvent.Marked());
      case ReturnEffect.Join _ -> {
        LOG.info(
            "volume {}: replica {} is equal again and joins", volume.config().name(), session.id());
        volume.deliver(new MembershipEvent.JoinWanted(volume.loop().nowNanos(), session.id()));
      }
      case ReturnEffect.StayOut(String why) -> {
        isOut = true;
        isReceiving = false;
        volume.staysOut(session.id(), why);
        volume.publishSets();
      }
    }
  }

  private void ask(ControlFrame frame, ReturnEvent then) {
    upkeep.ask(session, frame, () -> step(then));
  }

  private void readLayers() {
    Optional<MemberSession> source =
        volume.sessions().stream()
            .filter(each -> (volume.membership().readableMask() & (1 << each.slot())) != 0)
            .filter(MemberSession::isUp)
            .findFirst();
    Runnable lost = () -> step(new ReturnEvent.LayersLost());
    if (source.isEmpty()) {
      lost.run();
      return;
    }
    upkeep.layersOf(
        source.get(),
        member ->
            upkeep.layersOf(session, own -> step(new ReturnEvent.LayersRead(member, own)), lost),
        lost);
  }

  private void copy(ReturnEffect.Copy copy) {
    int readable = volume.membership().readableMask();
    if (readable == 0) {
      step(new ReturnEvent.CopyFailed(copy));
      return;
    }
    volume
        .core()
        .copy(
            copy.layer(),
            Integer.numberOfTrailingZeros(readable),
            session.slot(),
            copy.offset(),
            copy.length(),
            (_, result, _) ->
                step(
                    result == IoError.OK
                        ? new ReturnEvent.Copied()
                        : new ReturnEvent.CopyFailed(copy)));
  }
}
