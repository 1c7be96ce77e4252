package io.longhorn.replica.index;

import io.longhorn.replica.file.DiskFile;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The layers of the chain and their open files. A layer is named by its id everywhere outside; its
 * slot, given when it is added and the same until the directory is closed, is what the index uses.
 * One owner thread.
 */
public final class LayerTable {
  /** Slot 0 is nobody. */
  private final List<@Nullable Layer> bySlot = new ArrayList<>();

  /** Oldest first, the head last. */
  private final List<Layer> chain = new ArrayList<>();

  /** An empty table; the first layer added is the oldest. */
  public LayerTable() {
    bySlot.add(null);
  }

  /** One layer with its files. */
  public static final class Layer {
    private final int id;
    private final int slot;
    private final DiskFile data;
    private final DiskFile index;
    private boolean isDataDirty;
    private boolean isIndexDirty;
    private long sealedBy;
    private String snapshot = "";
    private long createdMillis;
    private boolean isUserCreated;

    Layer(int id, int slot, DiskFile data, DiskFile index) {
      this.id = id;
      this.slot = slot;
      this.data = data;
      this.index = index;
    }

    /** The engine's id. */
    public int id() {
      return id;
    }

    /** The slot in this opening. */
    public int slot() {
      return slot;
    }

    /** {@code L<id>.dat}. */
    public DiskFile data() {
      return data;
    }

    /** {@code L<id>.idx}. */
    public DiskFile index() {
      return index;
    }

    /** Whether its data file was written since the last {@link #takeDataDirty}. */
    public boolean isDataDirty() {
      return isDataDirty;
    }

    /** Its data file was written. */
    public void dataDirty() {
      isDataDirty = true;
    }

    /** Whether its data file was written, and not from here on: it is being synced. */
    public boolean takeDataDirty() {
      boolean was = isDataDirty;
      isDataDirty = false;
      return was;
    }

    /** Its index file was written. */
    public void indexDirty() {
      isIndexDirty = true;
    }

    /** Whether its index file was written, and not from here on: it is being synced. */
    public boolean takeIndexDirty() {
      boolean was = isIndexDirty;
      isIndexDirty = false;
      return was;
    }

    /** Operation that sealed it, 0 for the head. */
    public long sealedBy() {
      return sealedBy;
    }

    /** Name of the snapshot it shows; empty for the head. */
    public String snapshot() {
      return snapshot;
    }

    /** When it was sealed, in milliseconds since 1970. */
    public long createdMillis() {
      return createdMillis;
    }

    /** Whether a user asked for the snapshot. */
    public boolean isUserCreated() {
      return isUserCreated;
    }

    /** It is a snapshot from now on. */
    public void seal(long operation, String name, long created, boolean byUser) {
      sealedBy = operation;
      snapshot = name;
      createdMillis = created;
      isUserCreated = byUser;
    }

    /** Closes both files. */
    public void close() {
      data.close();
      index.close();
    }
  }

  /** Adds a layer above all others: the head from now on. */
  public Layer add(int id, DiskFile data, DiskFile index) {
    if (bySlot.size() > VisibleMap.MAX_SLOT) {
      throw new IllegalStateException("more than " + VisibleMap.MAX_SLOT + " files");
    }
    Layer layer = new Layer(id, bySlot.size(), data, index);
    bySlot.add(layer);
    chain.add(layer);
    return layer;
  }

  /** The head. */
  public Layer head() {
    return chain.getLast();
  }

  /** All layers, oldest first, the head last; not to be changed. */
  public List<Layer> chain() {
    return chain;
  }

  /** The layer of a slot in use. */
  public Layer bySlot(int slot) {
    Layer layer = bySlot.get(slot);
    if (layer == null) {
      throw new IllegalStateException("slot " + slot + " is not in use");
    }
    return layer;
  }

  /** The layer with an id, or null. */
  public @Nullable Layer byId(int id) {
    for (int i = chain.size() - 1; i >= 0; i--) {
      if (chain.get(i).id == id) {
        return chain.get(i);
      }
    }
    return null;
  }
}
