package io.longhorn.api.process;

import java.io.IOException;
import java.io.InputStream;
import java.util.List;

/**
 * A process that ends with the one that started it. The parent holds the other end of the child's
 * standard input and never writes to it: when it is gone, however it went, the child reads
 * end-of-file and ends at once, with {@link #EXIT_CODE} and without its shutdown hooks (a clean end
 * is the parent's to ask for, by SIGTERM). On Linux the kernel sends SIGKILL in addition when the
 * thread that started the child ends; so the parent starts its children on one platform thread that
 * lives as long as itself.
 */
public final class ParentWatch {
  /** The word of a command line that asks for it. */
  public static final String OPTION = "--die-with-parent";

  /** Exit code of a process whose parent is gone, if the kernel's SIGKILL is not faster. */
  public static final int EXIT_CODE = 3;

  private static final long NO_PARENT = 0;
  private static final int DISCARD_BYTES = 256;

  private ParentWatch() {}

  /**
   * Begins to watch if {@link #OPTION} is among the words, on a thread of its own; returns the
   * words without it. Call it first thing in {@code main}; standard input belongs to the watch from
   * then on.
   */
  public static List<String> begin(List<String> words) {
    if (!words.contains(OPTION)) {
      return words;
    }
    long parent = parentPid();
    Thread.ofPlatform().daemon().name("parent-watch").start(() -> watch(parent));
    return words.stream().filter(word -> !word.equals(OPTION)).toList();
  }

  private static void watch(long parent) {
    // The kernel keeps the wish for the thread that made it: this one never ends.
    SystemCall.dieWithParent();
    // It says nothing of a parent that was gone before.
    if (parentPid() == parent) {
      awaitEnd(System.in);
    }
    Runtime.getRuntime().halt(EXIT_CODE);
  }

  private static long parentPid() {
    return ProcessHandle.current().parent().map(ProcessHandle::pid).orElse(NO_PARENT);
  }

  private static void awaitEnd(InputStream in) {
    byte[] discarded = new byte[DISCARD_BYTES];
    try {
      while (in.read(discarded) >= 0) {
        // Nobody has anything to say here.
      }
    } catch (IOException _) {
      // A standard input that cannot be read says as much as one that has ended.
    }
  }
}
