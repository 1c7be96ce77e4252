package io.longhorn.orchestration.store;

import io.longhorn.api.IoError;
import io.longhorn.api.VolumeException;
import io.longhorn.api.cluster.ClusterObject;
import io.longhorn.api.cluster.ObjectKey;
import io.longhorn.api.cluster.ObjectKind;
import io.longhorn.api.wire.FieldReader;
import io.longhorn.api.wire.FieldWriter;
import io.longhorn.api.wire.WireFormatException;
import java.io.EOFException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.zip.CRC32C;
import org.h2.mvstore.DataUtils;
import org.h2.mvstore.MVMap;
import org.h2.mvstore.MVStore;
import org.h2.mvstore.MVStoreException;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A cluster's objects in one file, in H2's MVStore: a log-structured key-value store that appends
 * whole trees and falls back to the last complete one. A change is one commit and one fsync. One
 * process at a time has the file; a second one is refused. No room inside of the file is written
 * twice, because a power cut could leave neither the old nor the new there; a file that has grown
 * too long is written anew beside it and then takes its name (docs/adr/004-append-only-store.md).
 *
 * <p>Format, version 1: map {@code meta} has {@code format} as a number in text, and {@code
 * revision} as a number and its CRC32C in hex, with a space between; map {@code objects} has, under
 * {@code kind/name} (the kind as a number), fields: 1 the version, 2 the object, 3 the CRC32C of
 * the key in UTF-8, the version (8 bytes, little endian) and the object. The sums are ours because
 * MVStore has none of what is in a page.
 *
 * <p>After a change failed (a full disk, say) the file is closed; the next change opens and reads
 * it again, because the failed one may have reached it. Until then readers see what was there
 * before.
 */
public final class DurableClusterStore implements ClusterStore {
  /** The format this build writes, and the only one it reads. */
  public static final int FORMAT = 1;

  private static final int CACHE_MIB = 1;

  /** A file of this length is written anew, if most of it is of no use any more. */
  static final long REWRITE_BYTES = 16L << 20;

  /** How often longer than when it was last written anew a file may become. */
  private static final int GROWTH = 4;

  private static final int MAX_CAUSES = 16;
  private static final int NO_CODE = -1;

  private static final Logger LOG = LoggerFactory.getLogger(DurableClusterStore.class);

  private static final String FORMAT_KEY = "format";
  private static final String REVISION_KEY = "revision";

  /**
   * Files open in this JVM. A second channel on a file would, when it is closed, give up the
   * process's lock on it.
   */
  private static final Set<Path> IN_THIS_JVM = ConcurrentHashMap.newKeySet();

  private final Path file;
  private final String scheme;
  private final long rewriteBytes;
  private final ObjectTable table;

  // Touched only inside a change, or before there can be one.
  private @Nullable OpenFile open;
  private long rewrittenBytes;

  /** The maps of the file while it is open. */
  private record OpenFile(
      MVStore store, MVMap<String, String> meta, MVMap<String, byte[]> objects) {}

  private DurableClusterStore(Path file, String scheme, long rewriteBytes) {
    this.file = file;
    this.scheme = scheme;
    this.rewriteBytes = rewriteBytes;
    OpenFile opened = open(file, scheme, file);
    try {
      table = new ObjectTable(new Commits(), read(opened), revision(opened));
      open = opened;
    } catch (RuntimeException e) {
      opened.store.closeImmediately();
      throw e;
    }
  }

  /**
   * Opens the file, or makes it; throws {@link VolumeException} with one line: {@code BUSY} if
   * another process has it, {@code UNKNOWN_VERSION}, {@code CORRUPT}, {@code ENOSPC}, {@code EIO}.
   *
   * @param file in a directory that exists
   */
  public static DurableClusterStore openFile(Path file) {
    return openFile(file, "", REWRITE_BYTES);
  }

  /**
   * The same.
   *
   * @param scheme of a file system of MVStore's, before the name of the file
   */
  static DurableClusterStore openFile(Path file, String scheme, long rewriteBytes) {
    Path place = file.toAbsolutePath().normalize();
    if (!IN_THIS_JVM.add(place)) {
      throw new VolumeException(
          IoError.BUSY, "cannot open the cluster's store " + file + ": this process has it open");
    }
    try {
      requirePlace(file);
      Object before = identity(file);
      if (before == null) {
        make(file, scheme);
        before = identity(file);
      }
      DurableClusterStore store = new DurableClusterStore(file, scheme, rewriteBytes);
      if (!Objects.equals(before, identity(file))) {
        store.close();
        throw new VolumeException(
            IoError.BUSY, "cannot open the cluster's store " + file + ": another process has it");
      }
      return store;
    } catch (RuntimeException e) {
      IN_THIS_JVM.remove(place);
      throw e;
    }
  }

  @Override
  public Optional<Stored> get(ObjectKey key) {
    return table.get(key);
  }

  @Override
  public List<Stored> list(ObjectKind kind) {
    return table.list(kind);
  }

  @Override
  public Outcome put(ClusterObject object, long expected) {
    return table.put(object, expected);
  }

  @Override
  public Outcome delete(ObjectKey key, long expected) {
    return table.delete(key, expected);
  }

  @Override
  public long revision() {
    return table.revision();
  }

  @Override
  public Watch watch() {
    return table.watch();
  }

  @Override
  public void close() {
    table.close(() -> {
      OpenFile opened = open;
      open = null;
      try {
        // Every change is durable since it returned: an end is no different from a crash.
        if (opened != null) {
          opened.store.closeImmediately();
        }
      } finally {
        IN_THIS_JVM.remove(file.toAbsolutePath().normalize());
      }
    });
  }

  /** What the table wants on disk. */
  private final class Commits implements ObjectTable.Persistence {
    @Override
    public void ready() {
      if (open == null) {
        OpenFile again = open(file, scheme, file);
        try {
          table.reloaded(read(again), revision(again));
        } catch (RuntimeException e) {
          again.store.closeImmediately();
          throw e;
        }
        open = again;
      }
    }

    @Override
    public void change(ObjectKey key, @Nullable ClusterObject object, long revision) {
      OpenFile now = Objects.requireNonNull(open, "ready() comes first");
      byte[] value = object == null ? null : value(key, object, revision);
      try {
        if (value == null) {
          now.objects.remove(text(key));
        } else {
          now.objects.put(text(key), value);
        }
        now.meta.put(REVISION_KEY, revisionText(revision));
        commit(now.store);
      } catch (RuntimeException | AssertionError e) {
        giveUp(now);
        throw failure("cannot write the cluster's store " + file, e);
      }
      tidyUp(now);
    }

    /** The change before it is durable, and stays so whatever becomes of this. */
    private void tidyUp(OpenFile now) {
      try {
        long length = Files.size(file);
        if (length < Math.max(rewriteBytes, GROWTH * rewrittenBytes)) {
          return;
        }
        // If it fails, for want of room say, not with every change again.
        rewrittenBytes = length / 2;
        Path fresh = unfinished(file);
        Files.deleteIfExists(fresh);
        copy(now, scheme, fresh);
        Files.move(fresh, file, StandardCopyOption.ATOMIC_MOVE);
        syncNames(file);
        rewrittenBytes = Files.size(file);
        // Whoever comes in between finds the new file; whoever has the old one finds it locked.
        open = open(file, scheme, file);
        now.store.closeImmediately();
      } catch (IOException | RuntimeException | AssertionError e) {
        LOG.warn("the cluster's store {} was not written anew: {}", file, rootMessage(e));
        giveUp(now);
      }
    }

    private void giveUp(OpenFile now) {
      open = null;
      now.store.closeImmediately();
    }
  }

  private static void commit(MVStore store) {
    store.commit();
    store.sync();
  }

  private static void requirePlace(Path file) {
    Path parent = file.toAbsolutePath().getParent();
    if (Files.isDirectory(file) || parent == null || !Files.isDirectory(parent)) {
      throw new VolumeException(
          IoError.EIO,
          "cannot open the cluster's store "
              + file
              + ": it has to be a file in a directory that exists");
    }
  }

  /** Which file it is, whatever it is called; null if there is none. */
  private static @Nullable Object identity(Path file) {
    try {
      return Files.readAttributes(file, BasicFileAttributes.class).fileKey();
    } catch (NoSuchFileException _) {
      return null;
    } catch (IOException e) {
      throw new VolumeException(
          IoError.EIO, "cannot open the cluster's store " + file + ": " + e.getMessage(), e);
    }
  }

  /** A file gets its name when it is complete: a crash leaves none, or a whole one. */
  private static void make(Path file, String scheme) {
    Path fresh = unfinished(file);
    try {
      Files.deleteIfExists(fresh);
      open(file, scheme, fresh).store.closeImmediately();
      // Not over one that somebody else has made meanwhile.
      Files.move(fresh, file);
      syncNames(file);
    } catch (IOException e) {
      throw new VolumeException(
          IoError.EIO, "cannot make the cluster's store " + file + ": " + e.getMessage(), e);
    }
  }

  private static Path unfinished(Path file) {
    return file.resolveSibling(file.getFileName() + ".new");
  }

  private static void syncNames(Path file) throws IOException {
    try (FileChannel names = FileChannel.open(file.toAbsolutePath().getParent())) {
      names.force(true);
    }
  }

  /** Everything, also what only a newer build knows. */
  private static void copy(OpenFile from, String scheme, Path to) {
    MVStore store = builder(scheme, to).open();
    try {
      MVMap<String, String> meta = store.openMap("meta");
      from.meta.forEach(meta::put);
      MVMap<String, byte[]> objects = store.openMap("objects");
      from.objects.forEach(objects::put);
      commit(store);
    } finally {
      store.closeImmediately();
    }
  }

  private static MVStore.Builder builder(String scheme, Path place) {
    return new MVStore.Builder().fileName(scheme + place).autoCommitDisabled().cacheSize(CACHE_MIB);
  }

  /**
   * Opens.
   *
   * @param file what messages speak of
   * @param place where it is
   */
  private static OpenFile open(Path file, String scheme, Path place) {
    MVStore store;
    try {
      store = builder(scheme, place).open();
    } catch (RuntimeException | AssertionError e) {
      throw failure("cannot open the cluster's store " + file, e);
    }
    try {
      store.setReuseSpace(false);
      requireOurs(file, store);
      OpenFile opened = new OpenFile(store, store.openMap("meta"), store.openMap("objects"));
      checkFormat(file, opened);
      return opened;
    } catch (VolumeException e) {
      store.closeImmediately();
      throw e;
    } catch (RuntimeException | AssertionError e) {
      store.closeImmediately();
      throw failure("cannot read the cluster's store " + file, e);
    }
  }

  /** An MVStore may be somebody else's: nothing is written into that. */
  private static void requireOurs(Path file, MVStore store) {
    Set<String> maps = store.getMapNames();
    if (!maps.isEmpty() && !maps.contains("meta")) {
      throw new VolumeException(
          IoError.CORRUPT,
          "cannot open the cluster's store " + file + ": it is a store of something else");
    }
  }

  private static void checkFormat(Path file, OpenFile opened) {
    String format = opened.meta.get(FORMAT_KEY);
    if (format == null && opened.meta.isEmpty() && opened.objects.isEmpty()) {
      opened.meta.put(FORMAT_KEY, Integer.toString(FORMAT));
      opened.meta.put(REVISION_KEY, revisionText(0));
      commit(opened.store);
    } else if (format == null) {
      throw damaged(file, "it does not say its format", null);
    } else if (!format.equals(Integer.toString(FORMAT))) {
      throw new VolumeException(
          IoError.UNKNOWN_VERSION,
          "the cluster's store "
              + file
              + " has format "
              + format
              + "; this build knows "
              + FORMAT
              + ": use the build that wrote it");
    }
  }

  private SortedMap<ObjectKey, Stored> read(OpenFile opened) {
    SortedMap<ObjectKey, Stored> objects = new TreeMap<>();
    try {
      for (Map.Entry<String, byte[]> entry : opened.objects.entrySet()) {
        ObjectKey key = key(entry.getKey());
        if (key != null) {
          objects.put(key, stored(key, entry.getValue()));
        }
      }
      return objects;
    } catch (WireFormatException e) {
      throw damaged(file, String.valueOf(e.getMessage()), e);
    } catch (RuntimeException | AssertionError e) {
      throw failure("cannot read the cluster's store " + file, e);
    }
  }

  private static byte[] value(ObjectKey key, ClusterObject object, long version) {
    byte[] bytes = object.write().toBytes();
    return new FieldWriter()
        .number(1, version)
        .bytes(2, bytes)
        .number(3, sum(text(key), version, bytes))
        .toBytes();
  }

  private static Stored stored(ObjectKey key, byte[] value) {
    FieldReader fields = new FieldReader(value);
    long version = fields.number(1);
    byte[] bytes = fields.bytes(2);
    if (fields.number(3) != sum(text(key), version, bytes)) {
      throw new WireFormatException(key + ": its checksum is wrong");
    }
    ClusterObject object = ClusterObject.read(key.kind(), new FieldReader(bytes));
    if (!object.key().equals(key) || version <= ABSENT) {
      throw new WireFormatException(key + ": what is there is " + object.key());
    }
    return new Stored(object, version);
  }

  private static long sum(String key, long version, byte[] bytes) {
    CRC32C sum = new CRC32C();
    sum.update(key.getBytes(StandardCharsets.UTF_8));
    sum.update(ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN).putLong(0, version));
    sum.update(bytes);
    return sum.getValue();
  }

  private static String revisionText(long revision) {
    String number = Long.toString(revision);
    return number + " " + Long.toHexString(sum(number, revision, new byte[0]));
  }

  private long revision(OpenFile opened) {
    try {
      String text = opened.meta.getOrDefault(REVISION_KEY, "");
      int space = Math.max(text.indexOf(' '), 0);
      long revision = Long.parseLong(text.substring(0, space));
      if (revision < 0 || !text.equals(revisionText(revision))) {
        throw damaged(file, "its revision is '" + text + "'", null);
      }
      return revision;
    } catch (NumberFormatException e) {
      throw damaged(file, "it has no revision", e);
    } catch (VolumeException e) {
      throw e;
    } catch (RuntimeException | AssertionError e) {
      throw failure("cannot read the cluster's store " + file, e);
    }
  }

  private static VolumeException damaged(Path file, String why, @Nullable Throwable cause) {
    return new VolumeException(
        IoError.CORRUPT, "the cluster's store " + file + " is damaged: " + why, cause);
  }

  private static String text(ObjectKey key) {
    return key.kind().code() + "/" + key.name();
  }

  /** Null for a kind of a newer build, which is left alone. */
  private static @Nullable ObjectKey key(String text) {
    int slash = text.indexOf('/');
    try {
      ObjectKind kind = ObjectKind.ofCode(Long.parseLong(text.substring(0, Math.max(slash, 0))));
      return kind == null ? null : new ObjectKey(kind, text.substring(slash + 1));
    } catch (IllegalArgumentException e) {
      throw new WireFormatException("an object is called '" + text + "'", e);
    }
  }

  /**
   * What MVStore says, in our words. It throws much when what it reads makes no sense; with
   * assertions on, their errors too.
   */
  private static VolumeException failure(String what, Throwable e) {
    int code = e instanceof MVStoreException known ? known.getErrorCode() : NO_CODE;
    if (code == DataUtils.ERROR_FILE_LOCKED) {
      return new VolumeException(IoError.BUSY, what + ": another process has it", e);
    }
    Throwable root = root(e);
    if (root instanceof IOException && !(root instanceof EOFException)) {
      String why = rootMessage(e);
      boolean isFull = why.toLowerCase(Locale.ROOT).contains("no space left");
      return isFull
          ? new VolumeException(
              IoError.ENOSPC, what + ": no space left on its disk; make room and try again", e)
          : new VolumeException(IoError.EIO, what + ": " + why, e);
    }
    boolean isOfTheDisk = code == DataUtils.ERROR_WRITING_FAILED || code == DataUtils.ERROR_CLOSED;
    return isOfTheDisk
        ? new VolumeException(IoError.EIO, what + ": " + rootMessage(e), e)
        : new VolumeException(
            IoError.CORRUPT,
            what
                + ": it is damaged or not ours; keep it, and use a copy of it or another state directory",
            e);
  }

  private static Throwable root(Throwable e) {
    Throwable root = e;
    for (int depth = 0; depth < MAX_CAUSES && root.getCause() != null; depth++) {
      root = root.getCause();
    }
    return root;
  }

  private static String rootMessage(Throwable e) {
    Throwable root = root(e);
    String message = root.getMessage();
    return message == null ? root.getClass().getSimpleName() : message;
  }
}
