/** Names, identities and errors of replicated volumes: the words every module shares. */
@NullMarked
package io.longhorn.api;

import org.jspecify.annotations.NullMarked;
