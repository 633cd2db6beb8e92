mod alone;
mod several;
mod world;
