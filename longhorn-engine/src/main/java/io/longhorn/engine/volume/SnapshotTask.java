package io.longhorn.engine.volume;

import io.longhorn.api.IoError;
import io.longhorn.api.VolumeException;
import io.longhorn.api.wire.FrameType;
import io.longhorn.api.wire.SnapshotSpec;
import io.longhorn.engine.link.ControlFrame;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import org.jspecify.annotations.Nullable;

/**
 * One snapshot: FLUSH while requests go on, so that little is left; drain; FLUSH, so that members
 * are equal on their disks; SNAPSHOT on all; resume. A member that fails on the way leaves the set
 * and repeats it when it returns. Loop thread.
 */
final class SnapshotTask {
  private final VolumeEngine volume;
  private final Upkeep upkeep;
  private final String name;
  private final boolean isUserCreated;
  private final CompletableFuture<Void> done;

  SnapshotTask(
      VolumeEngine volume,
      Upkeep upkeep,
      String name,
      boolean isUserCreated,
      CompletableFuture<Void> done) {
    this.volume = volume;
    this.upkeep = upkeep;
    this.name = name;
    this.isUserCreated = isUserCreated;
    this.done = done;
  }

  void begin() {
    SnapshotSpec spec;
    try {
      spec = new SnapshotSpec(name, upkeep.head() + 1, System.currentTimeMillis(), isUserCreated);
    } catch (IllegalArgumentException e) {
      end(false, 0, new VolumeException(IoError.INVALID, String.valueOf(e.getMessage())));
      return;
    }
    flush(() -> volume.core().pause(() -> flush(() -> seal(spec))));
  }

  private void flush(Runnable then) {
    new Broadcast(volume, upkeep.membersNow(), ControlFrame.of(FrameType.FLUSH), _ -> then.run())
        .begin();
  }

  private void seal(SnapshotSpec spec) {
    List<MemberSession> members = upkeep.membersNow();
    ControlFrame frame =
        ControlFrame.ofOperation(
            FrameType.SNAPSHOT, upkeep.nextOperation(), spec.write().toBytes());
    Sealing sealing = new Sealing(members.size(), spec);
    for (MemberSession session : members) {
      session.control(frame, (status, payload) -> sealing.answered(session, status, payload));
    }
    if (members.isEmpty()) {
      end(
          false,
          0,
          new VolumeException(IoError.DISCONNECTED, "snapshot '" + name + "': no member is there"));
    }
  }

  /**
   * The answers of the members. If all refuse for the same reason nobody has failed: the snapshot
   * is refused.
   */
  private final class Sealing {
    private final SnapshotSpec spec;
    private final Map<MemberSession, String> refusals = new LinkedHashMap<>();
    private int unanswered;
    private int taken;
    private IoError refusal = IoError.OK;

    Sealing(int unanswered, SnapshotSpec spec) {
      this.unanswered = unanswered;
      this.spec = spec;
    }

    void answered(MemberSession session, IoError status, byte[] payload) {
      unanswered--;
      switch (status) {
        case OK -> taken++;
        case DISCONNECTED -> {}
        case FENCED -> volume.fenced(session.slot());
        default -> {
          refusal = status;
          refusals.put(session, status + MemberSession.words(payload));
        }
      }
      if (unanswered == 0) {
        all();
      }
    }

    private void all() {
      if (taken > 0) {
        refusals.forEach(
            (session, why) -> volume.fail(session, "snapshot '" + name + "' was refused: " + why));
        end(true, spec.newHead(), null);
      } else {
        IoError why = refusal.isOk() ? IoError.DISCONNECTED : refusal;
        end(
            false,
            0,
            new VolumeException(
                why,
                why == IoError.EXISTS
                    ? "snapshot '" + name + "' exists already; use another name"
                    : "snapshot '"
                        + name
                        + "' was not taken: "
                        + (refusals.isEmpty() ? why : refusals.values())));
      }
    }
  }

  private void end(boolean isTaken, int newHead, @Nullable VolumeException error) {
    upkeep.snapshotEnded(isTaken, newHead);
    volume.core().resume();
    if (error == null) {
      done.complete(null);
    } else {
      done.completeExceptionally(error);
    }
  }

  void fail(IoError error) {
    done.completeExceptionally(
        new VolumeException(error, "snapshot '" + name + "' was not taken: the volume is closed"));
  }
}
