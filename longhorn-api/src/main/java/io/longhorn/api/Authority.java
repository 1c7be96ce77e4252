package io.longhorn.api;

import java.util.regex.Pattern;

/**
 * Who keeps a volume's membership record, as text in every replica directory and in every HELLO:
 * the replicas themselves, or the store of one control plane. The other one never opens the volume.
 */
public final class Authority {
  /** The replicas keep it: a volume that has no control plane. */
  public static final String REPLICAS = "replicas";

  /** Longest text, in characters. */
  public static final int MAX_LENGTH = 128;

  private static final Pattern STORE = Pattern.compile("store:[A-Za-z0-9]([A-Za-z0-9._-]*)");

  private Authority() {}

  /**
   * The text itself if it is {@link #REPLICAS} or {@code store:} with an id of letters, digits,
   * '.', '_' and '-'; throws {@link IllegalArgumentException} for anything else.
   */
  public static String requireValid(String text) {
    boolean isValid =
        text.equals(REPLICAS) || (text.length() <= MAX_LENGTH && STORE.matcher(text).matches());
    if (!isValid) {
      throw new IllegalArgumentException(
          "authority '"
              + text.substring(0, Math.min(text.length(), MAX_LENGTH))
              + "': use '"
              + REPLICAS
              + "' or 'store:' and an id of letters, digits, '.', '_' and '-', at most "
              + MAX_LENGTH
              + " characters");
    }
    return text;
  }
}
