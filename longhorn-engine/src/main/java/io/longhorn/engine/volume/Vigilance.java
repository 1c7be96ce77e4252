package io.longhorn.engine.volume;

import io.longhorn.api.IoError;
import io.longhorn.api.membership.MembershipRecord;
import io.longhorn.api.wire.FrameType;
import io.longhorn.engine.link.ControlFrame;
import io.longhorn.engine.membership.MembershipEvent;
import io.longhorn.engine.membership.ReadWindow;
import io.longhorn.engine.membership.SuspicionCore;
import io.longhorn.engine.membership.SuspicionCore.Kind;
import io.longhorn.engine.replication.ReplicationCore;
import java.util.Arrays;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * PINGs the members, so that reads may be served (K3) and a member that looks failed is noticed;
 * and the replicas on their way back, since writes wait for them too. Loop thread.
 */
final class Vigilance {
  private static final Logger LOG = LoggerFactory.getLogger(Vigilance.class);

  /**
   * A member that has not answered anything for so long is sent a PING: a quarter of the read
   * window.
   */
  private static final long PING_AFTER_NANOS = ReadWindow.READ_WINDOW_NANOS / 4;

  private static final long TICK_NANOS = TimeUnit.MILLISECONDS.toNanos(VolumeEngine.TICK_MILLIS);

  private final VolumeEngine volume;
  private final ReadWindow window = new ReadWindow();
  private final SuspicionCore suspicion = new SuspicionCore();
  private final long[] pingSent = new long[MembershipRecord.MAX_REPLICAS];
  private final long[] oldestAnswer = new long[MembershipRecord.MAX_REPLICAS];
  private final long[] oldestSync = new long[MembershipRecord.MAX_REPLICAS];
  private int pinging;
  private int suspected;

  Vigilance(VolumeEngine volume) {
    this.volume = volume;
  }

  boolean mayServeReads(int required) {
    return window.mayServeReads(System.nanoTime(), required);
  }

  void answered(int slot, long sentNanos) {
    window.answered(slot, sentNanos);
  }

  void lost(int slot) {
    window.ended(slot);
    suspicion.reset(slot);
    pinging &= ~(1 << slot);
    suspected &= ~(1 << slot);
  }

  void tick(ReplicationCore core, int returning) {
    long now = System.nanoTime();
    suspicion.turned(now);
    int targets = volume.membership().targetMask();
    int watched = targets | returning;
    ping(now, window.needsPing(now, watched, PING_AFTER_NANOS) & ~pinging);
    Arrays.fill(oldestAnswer, SuspicionCore.NONE);
    Arrays.fill(oldestSync, SuspicionCore.NONE);
    for (MemberSession session : volume.sessions()) {
      int slot = session.slot();
      if ((watched & (1 << slot)) == 0) {
        continue;
      }
      long answerTicks = core.oldestTicks(slot, false);
      long syncTicks = core.oldestTicks(slot, true);
      oldestAnswer[slot] =
          oldest(
              (pinging & (1 << slot)) != 0 ? pingSent[slot] : SuspicionCore.NONE, now, answerTicks);
      oldestSync[slot] = oldest(session.oldestControlNanos(SuspicionCore.NONE), now, syncTicks);
    }
    judge(suspicion.suspects(now, targets, oldestAnswer, oldestSync), now);
    dismiss(
        suspicion.suspects(now, watched, oldestAnswer, oldestSync)
            & watched
            & ~volume.membership().targetMask());
  }

  private static long oldest(long sentNanos, long now, long ticks) {
    if (ticks < 0) {
      return sentNanos;
    }
    long sentTicksAgo = now - ticks * TICK_NANOS;
    return sentNanos == SuspicionCore.NONE || sentTicksAgo - sentNanos < 0
        ? sentTicksAgo
        : sentNanos;
  }

  private void judge(int suspects, long now) {
    for (MemberSession session : volume.sessions()) {
      int bit = 1 << session.slot();
      if ((suspects & bit) != 0 && (suspected & bit) == 0) {
        suspected |= bit;
        LOG.warn(
            "volume {}: replica {} is suspected: it does not answer, others do",
            volume.config().name(),
            session.id());
        volume.deliver(new MembershipEvent.Suspected(now, session.id()));
      } else if ((suspects & bit) == 0 && (suspected & bit) != 0) {
        suspected &= ~bit;
        volume.deliver(new MembershipEvent.Unsuspected(now, session.id()));
      }
    }
  }

  /** Who is in no set and does not answer begins its return anew. */
  private void dismiss(int suspects) {
    for (MemberSession session : volume.sessions()) {
      if ((suspects & (1 << session.slot())) != 0) {
        volume.fail(session, "it does not answer while it returns, others do");
      }
    }
  }

  private void ping(long now, int slots) {
    for (MemberSession session : volume.sessions()) {
      int bit = 1 << session.slot();
      if ((slots & bit) == 0 || !session.isUp()) {
        continue;
      }
      pinging |= bit;
      pingSent[session.slot()] = now;
      session.control(
          ControlFrame.of(FrameType.PING),
          (status, _) -> {
            if (status == IoError.DISCONNECTED) {
              return;
            }
            pinging &= ~bit;
            if (status == IoError.OK) {
              window.answered(session.slot(), now);
              suspicion.answered(session.slot(), Kind.ANSWER, now, System.nanoTime());
            } else if (status == IoError.FENCED) {
              volume.fenced(session.slot());
            } else {
              volume.fail(session, "PING was answered " + status);
            }
          });
    }
  }
}
