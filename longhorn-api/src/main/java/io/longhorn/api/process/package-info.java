/**
 * How processes of ours live and die together: what a child does about the end of its parent, and
 * what a parent does about its terminal. Linux; elsewhere what the system does not have is left
 * out. For our modules only.
 */
@NullMarked
package io.longhorn.api.process;

import org.jspecify.annotations.NullMarked;
