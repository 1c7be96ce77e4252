package io.longhorn.orchestration.store;

import io.longhorn.api.IoError;
import io.longhorn.api.VolumeException;
import io.longhorn.api.cluster.ClusterObject;
import io.longhorn.api.cluster.ObjectKey;
import io.longhorn.api.cluster.ObjectKind;
import io.longhorn.api.wire.FieldReader;
import io.longhorn.api.wire.FieldWriter;
import io.longhorn.api.wire.WireFormatException;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.SortedMap;
import java.util.TreeMap;
import org.h2.mvstore.DataUtils;
import org.h2.mvstore.MVMap;
import org.h2.mvstore.MVStore;
import org.h2.mvstore.MVStoreException;
import org.jspecify.annotations.Nullable;

/**
 * A cluster's objects in one file, in H2's MVStore: a log-structured key-value store that appends
 * whole trees and falls back to the last complete one. A change is one commit and one fsync. One
 * process at a time has the file; a second one is refused.
 *
 * <p>Format, version 1: map {@code meta} has {@code format} and {@code revision} as numbers in
 * text; map {@code objects} has, under {@code kind/name} (the kind as a number), fields: 1 the
 * version, 2 the object.
 *
 * <p>After a change failed (a full disk, say) the file is closed; the next change opens and reads
 * it again, because the failed one may have reached it.
 */
public final class DurableClusterStore implements ClusterStore {
  /** The format this build writes, and the only one it reads. */
  public static final int FORMAT = 1;

  private static final int CACHE_MIB = 1;

  /** Changes between two looks at how much of the file is of no use any more. */
  private static final int CHANGES_PER_COMPACTION = 512;

  private static final int FILL_RATE_PERCENT = 60;
  private static final int COMPACTED_BYTES = 4 << 20;
  private static final int CLOSE_COMPACTION_MILLIS = 50;

  private static final int MAX_CAUSES = 16;

  private static final String FORMAT_KEY = "format";
  private static final String REVISION_KEY = "revision";

  private final Path file;
  private final ObjectTable table;

  // Touched only inside a change, or before there can be one.
  private @Nullable OpenFile open;
  private int changes;

  /** The maps of the file while it is open. */
  private record OpenFile(
      MVStore store, MVMap<String, String> meta, MVMap<String, byte[]> objects) {}

  private DurableClusterStore(Path file) {
    this.file = file;
    OpenFile opened = open(file);
    open = opened;
    try {
      table = new ObjectTable(this::change, read(opened), revision(opened));
    } catch (RuntimeException e) {
      opened.store.closeImmediately();
      throw e;
    }
  }

  /**
   * Opens the file, or makes it; throws {@link VolumeException} with one line: {@code BUSY} if
   * another process has it, {@code UNKNOWN_VERSION}, {@code CORRUPT}, {@code EIO}.
   *
   * @param file in a directory that exists
   */
  public static DurableClusterStore openFile(Path file) {
    return new DurableClusterStore(file);
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
      if (opened != null) {
        opened.store.close(CLOSE_COMPACTION_MILLIS);
      }
    });
  }

  private void change(ObjectKey key, @Nullable ClusterObject object, long revision) {
    OpenFile now = open;
    if (now == null) {
      readAgain();
      throw new VolumeException(
          IoError.BUSY,
          "the cluster's store " + file + " was read again after a failure; try again");
    }
    try {
      if (object == null) {
        now.objects.remove(text(key));
      } else {
        FieldWriter value = new FieldWriter().number(1, revision).nested(2, object.write());
        now.objects.put(text(key), value.toBytes());
      }
      now.meta.put(REVISION_KEY, Long.toString(revision));
      commit(now.store);
      if (++changes % CHANGES_PER_COMPACTION == 0) {
        now.store.compact(FILL_RATE_PERCENT, COMPACTED_BYTES);
        commit(now.store);
      }
    } catch (MVStoreException e) {
      open = null;
      now.store.closeImmediately();
      throw failure("cannot write the cluster's store " + file, e);
    }
  }

  private static void commit(MVStore store) {
    store.commit();
    store.sync();
  }

  private void readAgain() {
    OpenFile again = open(file);
    try {
      table.reloaded(read(again), revision(again));
    } catch (RuntimeException e) {
      again.store.closeImmediately();
      throw e;
    }
    open = again;
  }

  private static OpenFile open(Path file) {
    MVStore store;
    try {
      store =
          new MVStore.Builder()
              .fileName(file.toString())
              .autoCommitDisabled()
              .cacheSize(CACHE_MIB)
              .open();
    } catch (MVStoreException e) {
      throw failure("cannot open the cluster's store " + file, e);
    }
    try {
      OpenFile opened = new OpenFile(store, store.openMap("meta"), store.openMap("objects"));
      checkFormat(file, opened);
      return opened;
    } catch (MVStoreException e) {
      store.closeImmediately();
      throw failure("cannot read the cluster's store " + file, e);
    } catch (VolumeException e) {
      store.closeImmediately();
      throw e;
    }
  }

  private static void checkFormat(Path file, OpenFile opened) {
    String format = opened.meta.get(FORMAT_KEY);
    if (format == null) {
      opened.meta.put(FORMAT_KEY, Integer.toString(FORMAT));
      opened.meta.put(REVISION_KEY, "0");
      commit(opened.store);
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
      for (String text : opened.objects.keySet()) {
        byte[] value = opened.objects.get(text);
        ObjectKey key = key(text);
        if (key != null && value != null) {
          FieldReader fields = new FieldReader(value);
          ClusterObject object = ClusterObject.read(key.kind(), fields.nested(2));
          objects.put(key, new Stored(object, fields.number(1)));
        }
      }
    } catch (WireFormatException e) {
      throw new VolumeException(
          IoError.CORRUPT, "the cluster's store " + file + " is damaged: " + e.getMessage(), e);
    }
    return objects;
  }

  private long revision(OpenFile opened) {
    try {
      return Long.parseLong(opened.meta.getOrDefault(REVISION_KEY, "0"));
    } catch (NumberFormatException e) {
      throw new VolumeException(
          IoError.CORRUPT, "the cluster's store " + file + " is damaged: " + e.getMessage(), e);
    }
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

  private static VolumeException failure(String what, MVStoreException e) {
    return switch (e.getErrorCode()) {
      case DataUtils.ERROR_FILE_LOCKED ->
          new VolumeException(IoError.BUSY, what + ": another process has it", e);
      case DataUtils.ERROR_FILE_CORRUPT, DataUtils.ERROR_UNSUPPORTED_FORMAT ->
          new VolumeException(IoError.CORRUPT, what + ": it is damaged or not ours", e);
      default -> {
        String why = rootMessage(e);
        boolean isFull = why.toLowerCase(Locale.ROOT).contains("no space left");
        yield new VolumeException(isFull ? IoError.ENOSPC : IoError.EIO, what + ": " + why, e);
      }
    };
  }

  private static String rootMessage(Throwable e) {
    Throwable root = e;
    for (int depth = 0; depth < MAX_CAUSES && root.getCause() != null; depth++) {
      root = root.getCause();
    }
    String message = root.getMessage();
    return message == null ? root.getClass().getSimpleName() : message;
  }
}
