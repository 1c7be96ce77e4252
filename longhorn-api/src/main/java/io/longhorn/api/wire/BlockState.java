package io.longhorn.api.wire;

/**
 * What a layer holds for a block. {@code ABSENT} shows the layer below (zero if there is none);
 * {@code ZERO} hides it and reads as zero for ever (no resurrection of trimmed data).
 */
public enum BlockState {
  /** Nothing here: look below. */
  ABSENT(0),
  /** Data in this layer's file. */
  DATA(1),
  /** Zero, by TRIM or ZERO. */
  ZERO(2);

  private static final BlockState[] BY_CODE = values();
  private final int code;

  BlockState(int code) {
    this.code = code;
  }

  /** The number on disk and on the wire. */
  public int code() {
    return code;
  }

  /** The state of a number; throws {@link IllegalArgumentException} for an unknown one. */
  public static BlockState ofCode(int code) {
    if (code < 0 || code >= BY_CODE.length) {
      throw new IllegalArgumentException(
          "block state " + code + " is not one of 0 to " + (BY_CODE.length - 1));
    }
    return BY_CODE[code];
  }
}
