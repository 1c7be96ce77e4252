package io.longhorn.replica.posix;

import io.longhorn.api.IoError;
import io.longhorn.api.VolumeException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.StructLayout;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.util.Collections;
import java.util.Locale;

/**
 * How the C library is called: every argument as a 64-bit number, since on x86_64 and aarch64 a
 * narrower one or a pointer travels in the same register. So one shape of call serves all of it:
 * the linker makes its code once, which is felt when all processes of a volume start at once.
 */
final class NativeCalls {
  /** Most buffers of one vectored call. */
  static final int MAX_BUFFERS = 64;

  static final int IOVEC_BYTES = 16;

  private static final int SCRATCH_BYTES = 256;
  private static final StructLayout CAPTURE = Linker.Option.captureStateLayout();
  private static final long ERRNO_AT =
      CAPTURE.byteOffset(MemoryLayout.PathElement.groupElement("errno"));
  private static final Linker LINKER = Linker.nativeLinker();

  /** As many as any function that is called here takes. */
  private static final int ARGUMENTS = 5;

  private static final FunctionDescriptor SHAPE =
      FunctionDescriptor.of(
          ValueLayout.JAVA_LONG,
          Collections.nCopies(ARGUMENTS, ValueLayout.JAVA_LONG).toArray(MemoryLayout[]::new));

  private static final ThreadLocal<CallState> STATE = ThreadLocal.withInitial(CallState::new);

  static final boolean IS_ARM = requireLinux();

  private NativeCalls() {}

  /**
   * Memory of one thread for its calls: where errno goes, an iovec array, and room for a struct.
   */
  static final class CallState {
    // Freed with the thread that made it.
    private final Arena arena = Arena.ofAuto();
    private final MemorySegment captured = arena.allocate(CAPTURE);
    private final MemorySegment buffers = arena.allocate((long) MAX_BUFFERS * IOVEC_BYTES, 16);
    private final MemorySegment scratch = arena.allocate(SCRATCH_BYTES, 16);
    private final long buffersAddress = buffers.address();

    MemorySegment captured() {
      return captured;
    }

    int errno() {
      return captured.get(ValueLayout.JAVA_INT, ERRNO_AT);
    }

    void buffer(int index, long address, long length) {
      buffers.set(ValueLayout.JAVA_LONG, (long) index * IOVEC_BYTES, address);
      buffers.set(ValueLayout.JAVA_LONG, (long) index * IOVEC_BYTES + 8, length);
    }

    long buffersAddress() {
      return buffersAddress;
    }

    /** {@link #SCRATCH_BYTES} bytes for a struct of one cold call. */
    MemorySegment scratch() {
      return scratch;
    }
  }

  static CallState state() {
    return STATE.get();
  }

  /**
   * A C function of at most {@link #ARGUMENTS} integers or pointers, returning one; it is called
   * with that many, with zeros at the end. What it does not take is in registers that it does not
   * look at; so it is for {@code open}, whose last argument is a variable one.
   */
  @SuppressWarnings("restricted")
  static MethodHandle link(String name) {
    MemorySegment address =
        LINKER
            .defaultLookup()
            .find(name)
            .orElseThrow(() ->
                new VolumeException(
                    IoError.UNSUPPORTED,
                    "the C library has no " + name + "; use glibc 2.26 or newer"));
    return LINKER.downcallHandle(address, SHAPE, Linker.Option.captureCallState("errno"));
  }

  /** What a C function that returns {@code int} returned, or minus errno. */
  static int result(CallState state, long returned) {
    int value = (int) returned;
    return value < 0 ? -state.errno() : value;
  }

  /** What a C function that returns {@code ssize_t} or {@code off_t} returned, or minus errno. */
  static long longResult(CallState state, long returned) {
    return returned < 0 ? -state.errno() : returned;
  }

  /** A method handle of ours threw: a defect of this package, never an operating error. */
  static AssertionError broken(Throwable thrown) {
    return new AssertionError("a system call could not be made", thrown);
  }

  @SuppressWarnings("restricted")
  static String describe(int errno) {
    // Not captured: strerror_r of glibc may return a static string.
    MethodHandle handle =
        LINKER.downcallHandle(
            LINKER.defaultLookup().find("strerror").orElseThrow(),
            FunctionDescriptor.of(ValueLayout.ADDRESS, ValueLayout.JAVA_INT));
    try {
      MemorySegment text = (MemorySegment) handle.invokeExact(errno);
      return text.reinterpret(SCRATCH_BYTES).getString(0);
    } catch (Throwable e) {
      throw broken(e);
    }
  }

  private static boolean requireLinux() {
    String system = System.getProperty("os.name", "");
    String machine = System.getProperty("os.arch", "").toLowerCase(Locale.ROOT);
    boolean isArm = machine.equals("aarch64");
    if (!system.equals("Linux")
        || !(isArm || machine.equals("amd64") || machine.equals("x86_64"))) {
      throw new VolumeException(
          IoError.UNSUPPORTED,
          "replicas need Linux on x86_64 or aarch64, this is "
              + system
              + " on "
              + machine
              + "; run them there");
    }
    return isArm;
  }
}
