package io.longhorn.engine.frontend.nbd.protocol;

import io.longhorn.engine.request.IoRequest;
import io.longhorn.engine.request.VolumePort;
import org.jspecify.annotations.Nullable;

/** The commands of one session: made as they are first needed, never more than the limit. */
final class CommandPool {
  private final VolumePort port;
  private final Command[] made;
  private final Commands free = new Commands();
  private int count;
  private int inUse;

  CommandPool(VolumePort port, int limit) {
    this.port = port;
    made = new Command[limit];
  }

  /** A command, or null at the limit. */
  @Nullable Command take() {
    Command command = free.removeFirst();
    if (command == null) {
      if (count == made.length) {
        return null;
      }
      command = new Command();
      made[count++] = command;
    }
    inUse++;
    return command;
  }

  /** Gives it back, with the data it kept. */
  void free(Command command) {
    releaseKept(command);
    inUse--;
    free.add(command);
  }

  int inUse() {
    return inUse;
  }

  /** The client is gone: no reply will leave, so nothing needs to be kept. */
  void abandon() {
    for (int i = 0; i < count; i++) {
      releaseKept(made[i]);
    }
  }

  private void releaseKept(Command command) {
    for (int i = 0; i < Command.MAX_KEPT; i++) {
      IoRequest request = command.kept[i];
      if (request != null) {
        command.kept[i] = null;
        port.release(request);
      }
    }
  }
}
