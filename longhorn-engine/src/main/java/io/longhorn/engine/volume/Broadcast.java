package io.longhorn.engine.volume;

import io.longhorn.api.IoError;
import io.longhorn.engine.link.ControlFrame;
import java.util.List;
import java.util.function.Consumer;

/**
 * One control frame to several members, and one answer: whether all did it. A member that refuses
 * has failed. Loop thread.
 */
final class Broadcast {
  private final VolumeEngine volume;
  private final List<MemberSession> members;
  private final ControlFrame frame;
  private final Consumer<Boolean> done;
  private int unanswered;
  private boolean areAllOk = true;

  Broadcast(
      VolumeEngine volume,
      List<MemberSession> members,
      ControlFrame frame,
      Consumer<Boolean> done) {
    this.volume = volume;
    this.members = List.copyOf(members);
    this.frame = frame;
    this.done = done;
  }

  void begin() {
    unanswered = members.size() + 1;
    for (MemberSession session : members) {
      session.control(frame, (status, payload) -> answered(session, status, payload));
    }
    finished();
  }

  private void answered(MemberSession session, IoError status, byte[] payload) {
    if (status == IoError.FENCED) {
      volume.fenced(session.slot());
    } else if (status != IoError.OK && status != IoError.DISCONNECTED) {
      volume.fail(session, frame.type() + " was answered " + status + MemberSession.words(payload));
    }
    areAllOk &= status == IoError.OK;
    finished();
  }

  private void finished() {
    unanswered--;
    if (unanswered == 0) {
      done.accept(areAllOk);
    }
  }
}
