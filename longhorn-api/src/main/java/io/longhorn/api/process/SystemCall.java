package io.longhorn.api.process;

import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.util.Optional;

/**
 * The two functions of the C library that this package calls. Best effort: where a function is not
 * there, or native access is denied, the call is left out.
 */
final class SystemCall {
  /** What prctl's and setsid's callers see when nothing was called. */
  static final int NOT_CALLED = -1;

  private static final int PR_SET_PDEATHSIG = 1;
  private static final long SIGKILL = 9;

  private SystemCall() {}

  /**
   * The process gets SIGKILL when the thread that started it ends; holds while the calling thread
   * lives. Returns 0 if that is so.
   */
  static int dieWithParent() {
    if (!isLinux()) {
      return NOT_CALLED;
    }
    Optional<MethodHandle> prctl =
        link(
            "prctl",
            FunctionDescriptor.of(
                ValueLayout.JAVA_INT, ValueLayout.JAVA_INT, ValueLayout.JAVA_LONG),
            Linker.Option.firstVariadicArg(1));
    if (prctl.isEmpty()) {
      return NOT_CALLED;
    }
    try {
      return (int) prctl.get().invokeExact(PR_SET_PDEATHSIG, SIGKILL);
    } catch (Throwable e) {
      throw broken(e);
    }
  }

  /** Begins a session; returns its id, or {@link #NOT_CALLED} if the process leads a group. */
  static int beginSession() {
    Optional<MethodHandle> setsid = link("setsid", FunctionDescriptor.of(ValueLayout.JAVA_INT));
    if (setsid.isEmpty()) {
      return NOT_CALLED;
    }
    try {
      return (int) setsid.get().invokeExact();
    } catch (Throwable e) {
      throw broken(e);
    }
  }

  @SuppressWarnings("restricted")
  private static Optional<MethodHandle> link(
      String name, FunctionDescriptor shape, Linker.Option... options) {
    try {
      Linker linker = Linker.nativeLinker();
      Optional<MemorySegment> address = linker.defaultLookup().find(name);
      return address.map(function -> linker.downcallHandle(function, shape, options));
    } catch (IllegalCallerException | UnsupportedOperationException _) {
      // The one who started this JVM denied it, or this machine has no linker.
      return Optional.empty();
    }
  }

  private static boolean isLinux() {
    return System.getProperty("os.name", "").equals("Linux");
  }

  private static AssertionError broken(Throwable thrown) {
    return new AssertionError("a system call could not be made", thrown);
  }
}
