package io.longhorn.standalone.report;

/** The version this build was made as, from the module's descriptor. */
public final class Version {
  private Version() {}

  /** Of this build alone. */
  public static String ofBuild() {
    return Version.class.getModule().getDescriptor().rawVersion().orElse("(unpackaged)");
  }

  /** Of this build and of the runtime it runs on. */
  public static String text() {
    return "longhorn " + ofBuild() + ", Java " + Runtime.version();
  }
}
