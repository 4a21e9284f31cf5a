"""`jikimi incidents`: what has happened, judged and handed out."""
