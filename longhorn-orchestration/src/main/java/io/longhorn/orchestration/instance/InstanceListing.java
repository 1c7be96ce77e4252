package io.longhorn.orchestration.instance;

import io.longhorn.api.wire.FieldReader;
import io.longhorn.api.wire.FieldWriter;
import io.longhorn.api.wire.FrameHeader;
import io.longhorn.api.wire.WireFormatException;
import java.util.ArrayList;
import java.util.List;

/**
 * What an instance manager says of itself and its instances.
 *
 * @param revision another one after every change; 0 is never used, so it stands for "nothing seen"
 * @param manager who says so
 * @param instances by name
 * @param hasMore whether this is a page with others behind it: ask on behind the last name
 */
public record InstanceListing(
    long revision, InstanceManagerInfo manager, List<InstanceStatus> instances, boolean hasMore) {
  /** Bytes before those of a field. */
  private static final int FIELD_HEAD_BYTES = 6;

  /** Left free in a page for what is not an instance. */
  private static final int OTHER_BYTES = 4 << 10;

  /** Copies. */
  public InstanceListing {
    instances = List.copyOf(instances);
  }

  /**
   * The instances with names behind {@code after}, as many as a frame carries; one always fits.
   *
   * @param after a name, or the empty string for all
   */
  public InstanceListing page(String after) {
    List<InstanceStatus> page = new ArrayList<>();
    int bytes = OTHER_BYTES;
    for (InstanceStatus instance : instances) {
      if (instance.name().compareTo(after) <= 0) {
        continue;
      }
      bytes += instance.write().toBytes().length + FIELD_HEAD_BYTES;
      if (bytes > FrameHeader.MAX_PAYLOAD_BYTES) {
        return new InstanceListing(revision, manager, page, true);
      }
      page.add(instance);
    }
    return new InstanceListing(revision, manager, page, false);
  }

  /** Encodes. */
  public FieldWriter write() {
    FieldWriter out = new FieldWriter().number(1, revision).nested(2, manager.write());
    instances.forEach(instance -> out.nested(3, instance.write()));
    return out.bool(4, hasMore);
  }

  /** Decodes; throws {@link WireFormatException}. */
  public static InstanceListing read(FieldReader in) {
    return new InstanceListing(
        in.number(1),
        InstanceManagerInfo.read(in.nested(2)),
        in.allNested(3).stream().map(InstanceStatus::read).toList(),
        in.bool(4));
  }
}
