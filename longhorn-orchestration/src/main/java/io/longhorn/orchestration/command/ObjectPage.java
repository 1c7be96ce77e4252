package io.longhorn.orchestration.command;

import io.longhorn.api.cluster.ClusterObject;
import io.longhorn.api.cluster.ObjectKind;
import io.longhorn.api.wire.FieldReader;
import io.longhorn.api.wire.FieldWriter;
import io.longhorn.api.wire.FrameHeader;
import io.longhorn.api.wire.WireFormatException;
import java.util.ArrayList;
import java.util.List;

/**
 * Objects of one kind, by name, as many as a frame carries.
 *
 * @param hasMore whether others come after the last one
 * @param revision of the store when it was made
 */
record ObjectPage(List<ClusterObject> objects, boolean hasMore, long revision) {
  private static final int FIELD_HEAD_BYTES = 6;
  private static final int OTHER_BYTES = 1 << 10;

  /** Copies the list. */
  ObjectPage {
    objects = List.copyOf(objects);
  }

  /**
   * The first page of what comes after a name.
   *
   * @param sorted by name
   * @param after a name, or empty for all
   */
  static ObjectPage of(List<ClusterObject> sorted, String after, long revision) {
    List<ClusterObject> page = new ArrayList<>();
    int bytes = OTHER_BYTES;
    for (ClusterObject object : sorted) {
      if (object.name().compareTo(after) <= 0) {
        continue;
      }
      bytes += object.write().toBytes().length + FIELD_HEAD_BYTES;
      if (bytes > FrameHeader.MAX_PAYLOAD_BYTES && !page.isEmpty()) {
        return new ObjectPage(page, true, revision);
      }
      page.add(object);
    }
    return new ObjectPage(page, false, revision);
  }

  FieldWriter write() {
    FieldWriter out = new FieldWriter().bool(1, hasMore).number(2, revision);
    objects.forEach(object -> out.nested(3, object.write()));
    return out;
  }

  static ObjectPage read(ObjectKind kind, FieldReader in) {
    List<ClusterObject> objects =
        in.allNested(3).stream().map(object -> ClusterObject.read(kind, object)).toList();
    return new ObjectPage(objects, in.bool(1), in.number(2));
  }

  /** OBJECT_LIST: 1 kind, 2 after. */
  record Query(ObjectKind kind, String after) {
    FieldWriter write() {
      return new FieldWriter().number(1, kind.code()).text(2, after);
    }

    static Query read(FieldReader in) {
      ObjectKind kind = ObjectKind.ofCode(in.number(1));
      if (kind == null) {
        throw new WireFormatException("unknown kind of object " + in.number(1));
      }
      return new Query(kind, in.text(2));
    }
  }
}
