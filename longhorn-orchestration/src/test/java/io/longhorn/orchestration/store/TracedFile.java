package io.longhorn.orchestration.store;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.h2.store.fs.FileBaseDefault;
import org.h2.store.fs.FilePath;
import org.h2.store.fs.FilePathWrapper;

/**
 * A file system of MVStore's below which is the real one: keeps what is written and when it is
 * synced, and fails when it is told to. What is called {@code .new} is not kept.
 */
public final class TracedFile extends FilePathWrapper {
  /** Something that was done to the file. */
  sealed interface Step {
    /** Bytes were written. */
    record Write(long at, byte[] bytes) implements Step {}

    /** It was cut, or made longer. */
    record Length(long bytes) implements Step {}

    /** It is there, like this: another file may have taken its name. */
    record Opened(byte[] bytes) implements Step {}

    /** What was done before is on the disk. */
    record Sync() implements Step {}

    /** The test did something: a change returned. */
    record Note(long revision) implements Step {}
  }

  private static final String SCHEME = "traced";

  private static final List<Step> STEPS = new ArrayList<>();
  private static long roomBytes = Long.MAX_VALUE;
  private static boolean failsSync;

  /** As MVStore's registry of file systems wants it. */
  public TracedFile() {}

  /** Forgets everything; the scheme of files in it. */
  static String begin() {
    FilePath.register(new TracedFile());
    STEPS.clear();
    roomBytes = Long.MAX_VALUE;
    failsSync = false;
    return SCHEME + ":";
  }

  static List<Step> steps() {
    return STEPS;
  }

  static void note(long revision) {
    STEPS.add(new Step.Note(revision));
  }

  /** The file may grow to this length; the disk is full then. */
  static void room(long bytes) {
    roomBytes = bytes;
  }

  static void failSync(boolean fails) {
    failsSync = fails;
  }

  @Override
  public String getScheme() {
    return SCHEME;
  }

  @Override
  public FileChannel open(String mode) throws IOException {
    boolean isUnfinished = name.endsWith(".new");
    if (!isUnfinished) {
      STEPS.add(new Step.Opened(Files.readAllBytes(Path.of(getBase().toString()))));
    }
    return new Channel(getBase().open(mode), isUnfinished ? new ArrayList<>() : STEPS);
  }

  private static final class Channel extends FileBaseDefault {
    private final FileChannel base;
    private final List<Step> steps;

    Channel(FileChannel base, List<Step> steps) {
      this.base = base;
      this.steps = steps;
    }

    @Override
    public long size() throws IOException {
      return base.size();
    }

    @Override
    public synchronized int read(ByteBuffer target, long position) throws IOException {
      return base.read(target, position);
    }

    /** A full disk takes the first half of what does not fit. */
    @Override
    public synchronized int write(ByteBuffer source, long position) throws IOException {
      boolean isFull = position + source.remaining() > roomBytes;
      byte[] bytes = new byte[isFull ? source.remaining() / 2 : source.remaining()];
      source.duplicate().get(bytes);
      steps.add(new Step.Write(position, bytes));
      base.write(ByteBuffer.wrap(bytes), position);
      if (isFull) {
        throw new IOException("No space left on device");
      }
      source.position(source.limit());
      return bytes.length;
    }

    @Override
    protected void implTruncate(long size) throws IOException {
      steps.add(new Step.Length(size));
      base.truncate(size);
    }

    @Override
    public void force(boolean metaData) throws IOException {
      if (failsSync) {
        throw new IOException("Input/output error");
      }
      steps.add(new Step.Sync());
    }

    @Override
    public FileLock tryLock(long position, long size, boolean shared) throws IOException {
      return base.tryLock(position, size, shared);
    }

    @Override
    protected void implCloseChannel() throws IOException {
      base.close();
    }
  }
}
