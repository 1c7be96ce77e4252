package io.longhorn.engine.frontend.nbd.protocol;

import org.jspecify.annotations.Nullable;

/** Commands in the order they came. */
final class Commands {
  private @Nullable Command head;
  private @Nullable Command tail;

  @Nullable Command first() {
    return head;
  }

  void add(Command command) {
    command.after = null;
    Command last = tail;
    if (last == null) {
      head = command;
    } else {
      last.after = command;
    }
    tail = command;
  }

  @Nullable Command removeFirst() {
    Command first = head;
    if (first != null) {
      head = first.after;
      first.after = null;
      if (head == null) {
        tail = null;
      }
    }
    return first;
  }
}
