//! Settings as installers meet them: a folder of files in, checked values or every mistake out.

mod bindings;
mod files;
mod folder;
mod mistakes;
mod mutations;
mod register;
mod rendered;
mod shipped;
