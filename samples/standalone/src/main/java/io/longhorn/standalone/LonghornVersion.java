package io.longhorn.standalone;

import picocli.CommandLine.IVersionProvider;

/** The version this build was made as, from the manifest-like resource Maven fills in. */
final class LonghornVersion implements IVersionProvider {

  @Override
  public String[] getVersion() {
    return new String[] {
      "longhorn "
          + Longhorn.class.getModule().getDescriptor().rawVersion().orElse("(unpackaged)")
          + ", Java "
          + Runtime.version()
    };
  }
}
