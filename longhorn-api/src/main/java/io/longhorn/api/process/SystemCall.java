package io.longhorn.api.process;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.util.Collections;
import java.util.Optional;

/**
 * The two functions of the C library that this package calls. Best effort: where a function is not
 * there, or native access is denied, the call is left out.
 *
 * <p>Both are called in the one shape that the replica's system calls have, since the linker makes
 * its code once for each shape, and that is a good part of what a process needs to start: every
 * argument is a 64-bit number, in the registers where x86_64 and aarch64 have a narrower or a
 * variable one too, and errno is captured, though nobody here looks at it.
 */
final class SystemCall {
  /** What prctl's and setsid's callers see when nothing was called. */
  static final int NOT_CALLED = -1;

  private static final int ARGUMENTS = 5;
  private static final long PR_SET_PDEATHSIG = 1;
  private static final long SIGKILL = 9;

  private SystemCall() {}

  /**
   * The process gets SIGKILL when the thread that started it ends; holds while the calling thread
   * lives. Returns 0 if that is so.
   */
  static int dieWithParent() {
    boolean isLinux = System.getProperty("os.name", "").equals("Linux");
    return isLinux ? call("prctl", PR_SET_PDEATHSIG, SIGKILL) : NOT_CALLED;
  }

  /** Begins a session; returns its id, or {@link #NOT_CALLED} if the process leads a group. */
  static int beginSession() {
    return call("setsid", 0, 0);
  }

  private static int call(String name, long first, long second) {
    Optional<MethodHandle> function = link(name);
    if (function.isEmpty()) {
      return NOT_CALLED;
    }
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment errno = arena.allocate(Linker.Option.captureStateLayout());
      return (int) (long) function.get().invokeExact(errno, first, second, 0L, 0L, 0L);
    } catch (Throwable e) {
      throw new AssertionError("a system call could not be made", e);
    }
  }

  @SuppressWarnings("restricted")
  private static Optional<MethodHandle> link(String name) {
    FunctionDescriptor shape =
        FunctionDescriptor.of(
            ValueLayout.JAVA_LONG,
            Collections.nCopies(ARGUMENTS, ValueLayout.JAVA_LONG).toArray(MemoryLayout[]::new));
    try {
      Linker linker = Linker.nativeLinker();
      Optional<MemorySegment> address = linker.defaultLookup().find(name);
      return address.map(function ->
          linker.downcallHandle(function, shape, Linker.Option.captureCallState("errno")));
    } catch (IllegalCallerException | UnsupportedOperationException _) {
      // The one who started this JVM denied it, or this machine has no linker.
      return Optional.empty();
    }
  }
}
