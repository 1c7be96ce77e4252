package io.longhorn.replica.store;

import io.longhorn.api.EngineId;
import io.longhorn.api.IoError;
import io.longhorn.api.VolumeException;
import io.longhorn.api.replica.ReplicaOpener.IoMode;
import io.longhorn.api.replica.ReplicaSpec;
import io.longhorn.replica.file.DiskException;
import io.longhorn.replica.file.DiskFile;
import io.longhorn.replica.file.FileDirectory;
import io.longhorn.replica.file.FileDirectory.Cache;
import io.longhorn.replica.file.FileLayer;
import io.longhorn.replica.format.FormatException;
import io.longhorn.replica.format.IndexLogFormat;
import io.longhorn.replica.format.IndexPageFormat;
import io.longhorn.replica.format.IntentFormat;
import io.longhorn.replica.format.IntentFormat.Description;
import io.longhorn.replica.format.ManifestFormat;
import io.longhorn.replica.format.ManifestRecord;
import io.longhorn.replica.format.RecordMemory;
import io.longhorn.replica.format.SuperFormat;
import io.longhorn.replica.format.SuperFormat.Super;
import io.longhorn.replica.index.LayerTable;
import io.longhorn.replica.index.LayerTable.Layer;
import io.longhorn.replica.index.PageCache;
import io.longhorn.replica.store.DirectoryStore.Manifest;
import io.longhorn.replica.store.DirectoryStore.Owner;
import io.longhorn.replica.store.DirectoryStore.Parts;
import io.longhorn.replica.store.IndexJournal.LogPosition;
import io.longhorn.replica.store.IndexJournal.ReplayException;
import java.lang.foreign.Arena;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.SortedSet;
import java.util.TreeSet;
import java.util.UUID;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/** Makes and opens replica directories. Blocks; any thread. */
public final class ReplicaDirectory {
  /** Layer id of the head of a new replica. */
  public static final int FIRST_LAYER = 1;

  static final String INDEX_LOG = "index.log";
  static final String INDEX_LOG_NEW = "index.log.new";
  static final String IN_USE = "in-use";

  private static final String MANIFEST = "manifest.log";
  private static final String INTENT = "intent";
  private static final String SUPER_A = "super.a";
  private static final String SUPER_B = "super.b";

  /** There while a replica is being made: what is in the directory is then nobody's. */
  private static final String CREATING = "creating";

  /** What a new file system has in its top directory. */
  private static final String LOST_AND_FOUND = "lost+found";

  private static final Pattern LAYER_FILE = Pattern.compile("L([0-9]{1,10})\\.(dat|idx)");
  private static final UUID NONE = new UUID(0, 0);
  private static final int MAX_LOG_BUFFER_BYTES = 1 << 20;
  private static final long MAX_MANIFEST_RECORDS = 4096;

  private ReplicaDirectory() {}

  static Cache cacheOf(StoreOptions options) {
    return options.mode() == IoMode.DIRECT ? Cache.DIRECT : Cache.BUFFERED;
  }

  private static String dataFile(int layer) {
    return "L" + layer + ".dat";
  }

  private static String indexFile(int layer) {
    return "L" + layer + ".idx";
  }

  /** Makes the data file of a layer and syncs it; its name is the caller's to sync. */
  static DiskFile createData(FileDirectory directory, int layer, long sizeBytes, Cache cache)
      throws DiskException {
    return createSized(directory, dataFile(layer), sizeBytes, cache);
  }

  /** Makes the index file of a layer and syncs it; its name is the caller's to sync. */
  static DiskFile createIndex(FileDirectory directory, int layer, long sizeBytes)
      throws DiskException {
    return createSized(directory, indexFile(layer), indexBytes(sizeBytes), Cache.BUFFERED);
  }

  private static long indexBytes(long sizeBytes) {
    return (long) PageLoads.spansOf(sizeBytes) * IndexPageFormat.BYTES;
  }

  private static DiskFile createSized(
      FileDirectory directory, String name, long sizeBytes, Cache cache) throws DiskException {
    DiskFile file = directory.create(name, cache);
    IoError error = file.truncate(sizeBytes);
    if (error.isOk()) {
      error = file.sync();
    }
    if (!error.isOk()) {
      file.close();
      throw new DiskException(error, "cannot make " + name + " of " + sizeBytes + " bytes");
    }
    return file;
  }

  /**
   * Makes a replica in a missing or empty directory, or in one that a crash left in the middle of
   * this. Idempotent: one that is there as this makes it, and was promised to nobody yet, stays as
   * it is, for whoever asked first may not have seen the answer. Durable when it returns. Throws
   * {@link VolumeException}: EXISTS if there is another replica, or one that was used since,
   * INVALID if there is something else, ENOSPC, EIO, BUSY.
   */
  public static void create(FileLayer files, Path directory, ReplicaSpec spec) {
    try {
      files.createDirectory(directory);
      try (FileDirectory open = files.open(directory);
          Arena arena = Arena.ofConfined()) {
        open.lock();
        Creation creation = Creation.of(open, arena, spec);
        if (creation.isDone()) {
          // All but this last step, perhaps.
          open.sync();
        } else {
          makeRoom(open, directory);
          creation.run();
        }
      }
    } catch (DiskException e) {
      throw e.asVolumeException();
    }
  }

  private static void makeRoom(FileDirectory open, Path directory) throws DiskException {
    SortedSet<String> names = contents(open);
    if (names.contains(CREATING)) {
      for (String name : names) {
        if (!name.equals(CREATING)) {
          open.delete(name);
        }
      }
      return;
    }
    if (names.contains(SUPER_A) || names.contains(SUPER_B)) {
      throw new DiskException(
          IoError.EXISTS,
          directory + " is a replica already; open it, or choose another directory");
    }
    if (!names.isEmpty()) {
      throw new DiskException(
          IoError.INVALID,
          directory + " is not empty: it has " + names.first() + "; choose an empty directory");
    }
    open.create(CREATING, Cache.BUFFERED).close();
  }

  private static SortedSet<String> contents(FileDirectory open) throws DiskException {
    TreeSet<String> names = new TreeSet<>(open.list());
    names.remove(LOST_AND_FOUND);
    return names;
  }

  /**
   * The steps of {@link #create}.
   *
   * @param directory locked
   * @param memory what belongs into one file
   * @param found what is in it
   * @param spec what is made
   */
  private record Creation(
      FileDirectory directory, RecordMemory memory, RecordMemory found, ReplicaSpec spec) {
    private static final Set<String> FILES =
        Set.of(
            dataFile(FIRST_LAYER),
            indexFile(FIRST_LAYER),
            INDEX_LOG,
            MANIFEST,
            INTENT,
            SUPER_A,
            SUPER_B);

    static Creation of(FileDirectory directory, Arena arena, ReplicaSpec spec) {
      return new Creation(directory, memory(arena), memory(arena), spec);
    }

    private static RecordMemory memory(Arena arena) {
      return RecordMemory.over(
          arena.allocate(
              (long) IntentFormat.MAX_PAGES * 2 * IntentFormat.PAGE_BYTES,
              IntentFormat.PAGE_BYTES));
    }

    /**
     * Whether {@link #run} has been here, for this very replica, and nobody since: whatever is done
     * with a replica begins with a promise, which is in both slots.
     */
    boolean isDone() throws DiskException {
      return contents(directory).equals(FILES)
          && has(MANIFEST, putManifest())
          && has(INTENT, putIntent())
          && has(SUPER_A, putSuper(1))
          && has(SUPER_B, putSuper(2));
    }

    void run() throws DiskException {
      // Before anything else has a name, the directory says that it is not to be believed.
      directory.sync();
      createData(directory, FIRST_LAYER, spec.sizeBytes(), Cache.BUFFERED).close();
      createIndex(directory, FIRST_LAYER, spec.sizeBytes()).close();
      IndexJournal.createLog(directory, INDEX_LOG, memory, spec.replica(), 0).close();
      write(MANIFEST, putManifest());
      write(INTENT, putIntent());
      write(SUPER_A, putSuper(1));
      write(SUPER_B, putSuper(2));
      directory.sync();
      directory.delete(CREATING);
      directory.sync();
    }

    private int putManifest() {
      ManifestRecord first = new ManifestRecord.Create(spec.sizeBytes(), FIRST_LAYER);
      ManifestFormat.write(memory, 0, new ManifestFormat.Entry(0, 0, first));
      return ManifestFormat.RECORD_BYTES;
    }

    private int putIntent() {
      int regions = IntentFormat.regions(spec.sizeBytes());
      int pages = IntentFormat.pages(regions);
      int length = pages * 2 * IntentFormat.PAGE_BYTES;
      memory.clear(0, length);
      long[] bits = new long[(regions + 63) / 64];
      long regionBytes = IntentFormat.regionBytes(spec.sizeBytes());
      IntentFormat.write(
          memory, 0, 1, new Description(spec.record().stamp(), regionBytes, regions));
      for (int page = 1; page < pages; page++) {
        IntentFormat.write(memory, (int) IntentFormat.slotAt(page, 0), page, 1, bits);
      }
      return length;
    }

    private int putSuper(long sequence) {
      Super value =
          new Super(
              sequence,
              true,
              spec.volume(),
              spec.name(),
              spec.replica(),
              spec.authority(),
              0,
              new EngineId(NONE),
              0,
              NONE,
              NONE,
              NONE,
              spec.record());
      SuperFormat.write(memory, value);
      return SuperFormat.BYTES;
    }

    private boolean has(String name, int length) throws DiskException {
      DiskFile file = directory.open(name, Cache.BUFFERED);
      try {
        if (file.sizeBytes() != length) {
          return false;
        }
        IoError error = file.read(found.address(), length, 0);
        if (!error.isOk()) {
          throw new DiskException(error, "cannot read " + name + ": " + error);
        }
        return Arrays.equals(found.takeBytes(0, length), memory.takeBytes(0, length));
      } finally {
        file.close();
      }
    }

    private void write(String name, int length) throws DiskException {
      DiskFile file = directory.create(name, Cache.BUFFERED);
      IoError error = file.write(memory.address(), length, 0);
      if (error.isOk()) {
        error = file.sync();
      }
      file.close();
      if (!error.isOk()) {
        throw new DiskException(error, "cannot write " + name + ": " + error);
      }
    }
  }

  /**
   * Opens a replica and takes its lock (I8). After an unclean stop it replays index.log; the repair
   * of checksums follows when spans are first used. The store's owner thread is the one that uses
   * it first.
   *
   * <p>Throws {@link VolumeException}, one line for a person: NOT_FOUND (no such directory, or not
   * a replica), UNKNOWN_VERSION, BUSY (locked), STALE (super slots disagree), WRONG_SIZE, CORRUPT,
   * EIO, UNSUPPORTED (a record of a newer build).
   */
  public static ReplicaStore open(
      FileLayer files, Path directory, StoreOptions options, DiskPool pool) {
    Opening opening = new Opening(files, directory, options, pool);
    try {
      return opening.run();
    } catch (DiskException e) {
      opening.abandon();
      throw e.asVolumeException();
    } catch (FormatException e) {
      opening.abandon();
      throw new VolumeException(e.error(), directory + ": " + e.line() + advice(e.error()), e);
    } catch (ReplayException e) {
      opening.abandon();
      throw new VolumeException(e.error(), directory + ": " + e.line() + advice(e.error()), e);
    } catch (RuntimeException | Error e) {
      opening.abandon();
      throw e;
    }
  }

  private static String advice(IoError error) {
    return switch (error) {
      case CORRUPT, STALE, WRONG_SIZE -> "; replace this replica, the others have the data";
      case UNKNOWN_VERSION, UNSUPPORTED -> "; use the build that wrote it";
      default -> "";
    };
  }

  /** One attempt to open, and what it has to close if it fails. */
  private static final class Opening {
    private final FileLayer files;
    private final Path path;
    private final StoreOptions options;
    private final DiskPool pool;
    private final Arena arena = Arena.ofShared();
    private final List<DiskFile> opened = new ArrayList<>();
    private final List<DiskFile> metadata = new ArrayList<>();
    private @Nullable FileDirectory directory;
    private @Nullable DirectoryStore store;

    Opening(FileLayer files, Path path, StoreOptions options, DiskPool pool) {
      this.files = files;
      this.path = path;
      this.options = options;
      this.pool = pool;
    }

    void abandon() {
      DirectoryStore made = store;
      if (made != null) {
        made.kill();
        return;
      }
      opened.forEach(DiskFile::close);
      FileDirectory open = directory;
      if (open != null) {
        open.close();
      }
      arena.close();
    }

    ReplicaStore run() throws DiskException, FormatException, ReplayException {
      FileDirectory open = files.open(path);
      directory = open;
      requireReplica(open.list());
      open.lock();
      List<String> names = open.list();
      requireReplica(names);
      LayerTable layers = new LayerTable();
      SuperSlots.Found supers;
      Manifest manifest;
      DiskFile intentFile;
      IntentBitmap.Contents intent;
      LogPosition log;
      try (Arena reading = Arena.ofConfined()) {
        RecordMemory record = buffer(reading, SuperFormat.BYTES);
        DiskFile[] slots = {openFile(SUPER_A), openFile(SUPER_B)};
        supers = readSupers(slots, record, names.contains(IN_USE));
        manifest = readManifest(names, record, layers);
        removeLeftOvers(open, names, layers);
        intentFile = openFile(INTENT);
        boolean isClean = supers.now().isClean() && !supers.isInUse();
        intent = readIntent(intentFile, reading, manifest.sizeBytes, isClean);
        DiskFile logFile = openFile(INDEX_LOG);
        RecordMemory records =
            buffer(
                reading,
                Math.clamp(
                    logFile.sizeBytes(), IndexLogFormat.MAX_RECORD_BYTES, MAX_LOG_BUFFER_BYTES));
        log = IndexJournal.position(logFile, supers.now().replica(), records);
      }
      makeDurable(open, layers);
      UUID boot = files.boot();
      Parts parts = new Parts(open, options, pool, arena, boot, manifest, layers);
      DirectoryStore made =
          new DirectoryStore(parts, new Wiring(parts, supers, intentFile, intent, log));
      store = made;
      made.recover();
      return made;
    }

    /** As long as what is read: it is cleared first. */
    private static RecordMemory buffer(Arena arena, int bytes) {
      return RecordMemory.over(arena.allocate(bytes, SuperFormat.BYTES));
    }

    private void requireReplica(List<String> names) throws DiskException {
      if (names.contains(CREATING)) {
        throw new DiskException(
            IoError.NOT_FOUND,
            path + " is not a replica: making it was interrupted; create it again");
      }
      if (!names.contains(SUPER_A) && !names.contains(SUPER_B)) {
        throw new DiskException(
            IoError.NOT_FOUND, path + " is not a replica: it has no super.a; create one there");
      }
      for (String name : List.of(SUPER_A, SUPER_B, MANIFEST, INTENT, INDEX_LOG)) {
        if (!names.contains(name)) {
          throw new DiskException(
              IoError.CORRUPT,
              path + " lacks " + name + "; replace this replica, the others have the data");
        }
      }
    }

    /**
     * What was read may only be in the page cache, if a process died before it synced: nothing is
     * built on it before it is on the disk. Data and index files follow with the next flush.
     */
    private void makeDurable(FileDirectory open, LayerTable layers) throws DiskException {
      for (DiskFile file : metadata) {
        requireOk(file.sync(), path + ": fdatasync failed");
      }
      open.sync();
      for (Layer layer : layers.chain()) {
        layer.dataDirty();
        layer.indexDirty();
      }
    }

    private DiskFile openFile(String name) throws DiskException {
      DiskFile file = openFile(name, Cache.BUFFERED);
      metadata.add(file);
      return file;
    }

    private DiskFile openFile(String name, Cache cache) throws DiskException {
      FileDirectory open = directory;
      if (open == null) {
        throw new IllegalStateException("no directory");
      }
      DiskFile file = open.open(name, cache);
      opened.add(file);
      return file;
    }

    private SuperSlots.Found readSupers(DiskFile[] slots, RecordMemory buffer, boolean isInUse)
        throws DiskException, FormatException {
      Super newest = null;
      int newestSlot = 0;
      FormatException damage = null;
      long[] sequences = new long[SuperSlots.SLOTS];
      for (int slot = 0; slot < SuperSlots.SLOTS; slot++) {
        try {
          Super value = readSuper(slots[slot], buffer);
          sequences[slot] = value.sequence();
          if (newest == null || value.sequence() > newest.sequence()) {
            newest = value;
            newestSlot = slot;
          }
        } catch (FormatException e) {
          if (e.error() == IoError.UNKNOWN_VERSION) {
            throw e;
          }
          damage = e;
        }
      }
      if (newest == null) {
        throw damage == null ? new FormatException(IoError.CORRUPT, "no super") : damage;
      }
      if (damage != null) {
        if (newest.isClean() && !isInUse) {
          throw new FormatException(
              IoError.STALE, "one super is damaged although the directory was closed cleanly");
        }
      } else if (Math.abs(sequences[0] - sequences[1]) != 1) {
        throw new FormatException(
            IoError.STALE,
            "super.a and super.b have sequences "
                + sequences[0]
                + " and "
                + sequences[1]
                + ": one of them is an old copy");
      }
      return new SuperSlots.Found(slots, newest, newestSlot, isInUse);
    }

    private static Super readSuper(DiskFile file, RecordMemory buffer)
        throws DiskException, FormatException {
      if (file.sizeBytes() < SuperFormat.BYTES) {
        throw new FormatException(IoError.CORRUPT, "super is too short");
      }
      requireOk(file.read(buffer.address(), SuperFormat.BYTES, 0), "super cannot be read");
      return SuperFormat.read(buffer);
    }

    private static void requireOk(IoError error, String line) throws DiskException {
      if (!error.isOk()) {
        throw new DiskException(error, line);
      }
    }

    private Manifest readManifest(List<String> names, RecordMemory buffer, LayerTable layers)
        throws DiskException, FormatException {
      DiskFile file = openFile(MANIFEST);
      long size = file.sizeBytes();
      long records = size / ManifestFormat.RECORD_BYTES;
      if (records > MAX_MANIFEST_RECORDS) {
        throw new FormatException(IoError.CORRUPT, "manifest of " + size + " bytes");
      }
      List<ManifestFormat.Entry> entries = new ArrayList<>();
      boolean isCut = size % ManifestFormat.RECORD_BYTES != 0;
      for (long i = 0; i < records; i++) {
        requireOk(
            file.read(
                buffer.address(), ManifestFormat.RECORD_BYTES, i * ManifestFormat.RECORD_BYTES),
            MANIFEST + " cannot be read");
        if (!ManifestFormat.isRecord(buffer, 0)) {
          if (i + 1 < records) {
            throw new FormatException(IoError.CORRUPT, "manifest record " + i + " is damaged");
          }
          isCut = true;
          break;
        }
        ManifestFormat.Entry entry = ManifestFormat.read(buffer, 0);
        if (entry.index() != i) {
          throw new FormatException(
              IoError.CORRUPT, "manifest record " + i + " says it is " + entry.index());
        }
        entries.add(entry);
      }
      if (isCut) {
        requireOk(
            file.truncate((long) entries.size() * ManifestFormat.RECORD_BYTES),
            MANIFEST + " cannot be cut");
        requireOk(file.sync(), MANIFEST + " cannot be synced");
      }
      return apply(file, entries, names, layers);
    }

    private Manifest apply(
        DiskFile file, List<ManifestFormat.Entry> entries, List<String> names, LayerTable layers)
        throws DiskException, FormatException {
      if (entries.isEmpty()
          || !(entries.getFirst().record() instanceof ManifestRecord.Create create)) {
        throw new FormatException(IoError.CORRUPT, "manifest does not begin with CREATE");
      }
      TreeSet<Integer> ids = new TreeSet<>();
      Layer head = addLayer(layers, create.head(), create.sizeBytes(), names, ids);
      long lastOperation = 0;
      for (ManifestFormat.Entry entry : entries.subList(1, entries.size())) {
        ManifestRecord.Seal seal =
            switch (entry.record()) {
              case ManifestRecord.Seal it -> it;
              case ManifestRecord.Create _ ->
                  throw new FormatException(IoError.CORRUPT, "manifest has a second CREATE");
              case ManifestRecord.Delete _,
                  ManifestRecord.Adopt _,
                  ManifestRecord.Revert _,
                  ManifestRecord.Expand _,
                  ManifestRecord.Branch _ ->
                  throw new FormatException(
                      IoError.UNSUPPORTED,
                      "manifest has " + entry.record() + ", which this build cannot do");
            };
        if (seal.layer() != head.id() || entry.operation() <= lastOperation) {
          throw new FormatException(IoError.CORRUPT, "manifest record out of order: " + entry);
        }
        head.seal(entry.operation(), seal.snapshot(), seal.createdMillis(), seal.isUserCreated());
        head = addLayer(layers, seal.newHead(), create.sizeBytes(), names, ids);
        lastOperation = entry.operation();
      }
      return new Manifest(file, create.sizeBytes(), entries.size(), lastOperation);
    }

    private Layer addLayer(
        LayerTable layers, int id, long sizeBytes, List<String> names, Set<Integer> ids)
        throws DiskException, FormatException {
      if (!ids.add(id)) {
        throw new FormatException(IoError.CORRUPT, "manifest has layer " + id + " twice");
      }
      if (sizeBytes < ReplicaStore.BLOCK_BYTES
          || sizeBytes > ReplicaSpec.MAX_SIZE_BYTES
          || sizeBytes % ReplicaStore.BLOCK_BYTES != 0) {
        throw new FormatException(IoError.CORRUPT, "manifest has a size of " + sizeBytes);
      }
      for (String name : List.of(dataFile(id), indexFile(id))) {
        if (!names.contains(name)) {
          throw new FormatException(IoError.CORRUPT, name + " is missing");
        }
      }
      DiskFile data = openFile(dataFile(id), cacheOf(options));
      DiskFile index = openFile(indexFile(id), Cache.BUFFERED);
      requireSize(data, dataFile(id), sizeBytes);
      requireSize(index, indexFile(id), indexBytes(sizeBytes));
      return layers.add(id, data, index);
    }

    private static void requireSize(DiskFile file, String name, long sizeBytes)
        throws FormatException {
      if (file.sizeBytes() != sizeBytes) {
        throw new FormatException(
            IoError.WRONG_SIZE,
            name + " has " + file.sizeBytes() + " bytes and should have " + sizeBytes);
      }
    }

    /** Files of a snapshot or a checkpoint that did not happen. */
    private static void removeLeftOvers(FileDirectory open, List<String> names, LayerTable layers)
        throws DiskException {
      boolean isAny = false;
      for (String name : names) {
        var layerFile = LAYER_FILE.matcher(name);
        boolean isOrphan =
            name.equals(INDEX_LOG_NEW)
                || (layerFile.matches()
                    && layers.byId((int) Long.parseLong(layerFile.group(1))) == null);
        if (isOrphan) {
          open.delete(name);
          isAny = true;
        }
      }
      if (isAny) {
        open.sync();
      }
    }

    private static IntentBitmap.Contents readIntent(
        DiskFile file, Arena arena, long sizeBytes, boolean isClean)
        throws DiskException, FormatException {
      int regions = IntentFormat.regions(sizeBytes);
      int length = IntentFormat.pages(regions) * 2 * IntentFormat.PAGE_BYTES;
      if (file.sizeBytes() != length) {
        throw new FormatException(
            IoError.CORRUPT,
            "the bitmap has " + file.sizeBytes() + " bytes and should have " + length);
      }
      RecordMemory bitmap = buffer(arena, length);
      requireOk(file.read(bitmap.address(), length, 0), "the bitmap cannot be read");
      IntentBitmap.Contents contents = IntentBitmap.read(bitmap, regions, isClean);
      if (contents == null
          || contents.description().regions() != regions
          || contents.description().regionBytes() != IntentFormat.regionBytes(sizeBytes)) {
        throw new FormatException(IoError.CORRUPT, "the bitmap's description is damaged");
      }
      return contents;
    }
  }

  private record Wiring(
      Parts parts,
      SuperSlots.Found supersFound,
      DiskFile intentFile,
      IntentBitmap.Contents contents,
      LogPosition log)
      implements DirectoryStore.Wiring {
    @Override
    public SuperSlots supers(Owner owner) {
      return new SuperSlots(owner, parts.pool(), parts.arena(), parts.directory(), supersFound);
    }

    @Override
    public IntentBitmap intent(Owner owner) {
      return new IntentBitmap(owner, parts.pool(), parts.arena(), intentFile, contents);
    }

    @Override
    public IndexJournal journal(Owner owner, PageCache cache) {
      return new IndexJournal(
          owner,
          parts.pool(),
          parts.arena(),
          parts.directory(),
          supersFound.now().replica(),
          parts.layers(),
          cache,
          log);
    }

    @Override
    public PageLoads.Repair repair() {
      long size = parts.manifest().sizeBytes;
      boolean isClean = supersFound.now().isClean();
      long[] dirty = isClean ? new long[contents.bits().length] : contents.bits();
      return new PageLoads.Repair(
          dirty,
          contents.description().regionBytes(),
          size,
          supersFound.now().boot().equals(parts.boot()));
    }
  }
}
