package io.longhorn.api.wire;

import java.util.ArrayList;
import java.util.List;
import java.util.TreeSet;

/**
 * The chain of one replica, oldest layer first, the head last.
 *
 * @param layers at least the head
 */
public record LayerList(List<Layer> layers) {
  /**
   * One layer.
   *
   * @param id its id, equal on all replicas, above 0
   * @param parent id of the layer below, 0 for the oldest
   * @param sealedBy operation number that sealed it, 0 for the head
   * @param snapshot name of the snapshot it shows, empty for the head
   * @param createdMillis when it was sealed
   * @param isUserCreated whether a user asked for it
   */
  public record Layer(
      int id,
      int parent,
      long sealedBy,
      String snapshot,
      long createdMillis,
      boolean isUserCreated) {
    /** Checks ids and numbers. */
    public Layer {
      if (id <= 0 || parent < 0 || parent == id || sealedBy < 0 || createdMillis < 0) {
        throw new IllegalArgumentException(
            "layer "
                + id
                + " on "
                + parent
                + ", sealed by "
                + sealedBy
                + " at "
                + createdMillis
                + ": ids and numbers may not be negative, its own parent it is not");
      }
    }
  }

  /** Copies the list; throws {@link IllegalArgumentException} if it is empty or an id is twice. */
  public LayerList {
    layers = List.copyOf(layers);
    TreeSet<Integer> ids = new TreeSet<>();
    for (Layer layer : layers) {
      if (!ids.add(layer.id)) {
        throw new IllegalArgumentException("layer " + layer.id + " is there twice");
      }
    }
    if (layers.isEmpty()) {
      throw new IllegalArgumentException("a chain without a head");
    }
  }

  /** Encodes. */
  public FieldWriter write() {
    FieldWriter out = new FieldWriter();
    for (Layer layer : layers) {
      out.nested(
          1,
          new FieldWriter()
              .number(1, layer.id)
              .number(2, layer.parent)
              .number(3, layer.sealedBy)
              .text(4, layer.snapshot)
              .number(5, layer.createdMillis)
              .bool(6, layer.isUserCreated));
    }
    return out;
  }

  /** Decodes; throws {@link WireFormatException}. */
  public static LayerList read(FieldReader in) {
    try {
      List<Layer> layers = new ArrayList<>();
      for (FieldReader layer : in.allNested(1)) {
        layers.add(
            new Layer(
                layer.intNumber(1),
                layer.intNumber(2),
                layer.number(3),
                layer.text(4),
                layer.number(5),
                layer.bool(6)));
      }
      return new LayerList(layers);
    } catch (IllegalArgumentException e) {
      throw new WireFormatException("LAYERS: " + e.getMessage(), e);
    }
  }
}
